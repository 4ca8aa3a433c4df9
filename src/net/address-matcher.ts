/**
 * address-matcher - tests whether an address is in a list of addresses and networks
 *
 * See also: settings/schema (the lists), net/peer-network.
 */
import { BlockList, isIP, isIPv6 } from 'node:net'
import { Fault } from '../errors.ts'

export type AddressMatcher = (address: string) => boolean

/**
 * Creates a test for addresses in `entries` (addresses, or networks such as 192.0.2.0/24) of a setting. Faults: config_invalid (an entry is
 * neither).
 */
export function createAddressMatcher(entries: readonly string[], settingName: string): AddressMatcher {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    const longest = family === 'ipv6' ? 128 : 32
    const length = prefix === undefined ? longest : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1
    if (isIP(address) === 0 || length < 0 || length > longest)
      throw new Fault('config_invalid', `${settingName}: ${entry} is neither an address nor a network`)
    list.addSubnet(address, length, family)
  }
  return (address) => isIP(address) !== 0 && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}
