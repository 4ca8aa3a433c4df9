/**
 * report-copies - makes what sends copies of reports: over the connections of the delivery queue, else through a smart host
 *
 * See also: service/report-copies/report-copier, daemon/delivery/delivery-setup (the transport of the queue), settings/outbound.
 */
import { createHmac } from 'node:crypto'
import { hostname } from 'node:os'
import { hkdf } from '../../correlate/token-keys.ts'
import { createMxResolver } from '../../net/mx.ts'
import type { DnsLookup } from '../../net/dns.ts'
import { createSigningKeyCache } from '../../service/deliver/signing-keys.ts'
import { createReportCopier } from '../../service/report-copies/report-copier.ts'
import { egressIpsOf } from '../../settings/pools.ts'
import type { Settings } from '../../settings/schema.ts'
import { createSmarthostRouter } from '../../smtp-client/routing.ts'
import { createSmtpTransport } from '../../smtp-client/smtp-transport.ts'
import type { Transport } from '../../smtp-client/transport.ts'
import type { Runtime } from '../bootstrap.ts'
import { parseSmarthostUrl } from './smarthost-url.ts'

const smarthostUrlOf = ({ reportCopies, alerts }: Settings): string | undefined => reportCopies.smtp ?? alerts.smtp

/** Whether this node can send copies, so that they are planned. */
export const canCopyReports = (settings: Settings): boolean => settings.delivery.mode !== 'off' || smarthostUrlOf(settings) !== undefined

type CopyNetwork = { readonly queueTransport: Transport | null; readonly lookUp: DnsLookup }

/** Starts the copier. The result stops it; where nothing can be sent, it does nothing. */
export function startReportCopies({ context, vault, masterKey }: Runtime, settings: Settings, network: CopyNetwork): () => Promise<void> {
  const own = network.queueTransport === null ? openSmarthostTransport(settings, network.lookUp) : null
  const transport = network.queueTransport ?? own
  if (transport === null) return () => Promise.resolve()
  const key = hkdf(masterKey, Buffer.from('bounced report copy v1'), Buffer.from('copy'), KEY_BYTES)
  const [egressIp = ''] = network.queueTransport === null ? [] : egressIpsOf(settings.delivery)
  const copier = createReportCopier(context, {
    transport,
    egressIp,
    from: settings.reportCopies.from ?? `mailer-daemon@${settings.returnPathDomain}`,
    perAddressHour: settings.reportCopies.perAddressHour,
    sign: (text) => createHmac('sha256', key).update(text).digest('hex'),
    findKeys: createSigningKeyCache(context.engine, vault),
  })
  const stop = copier.start()
  return async () => {
    await stop()
    await own?.close()
  }
}

const KEY_BYTES = 32

function openSmarthostTransport(settings: Settings, lookUp: DnsLookup): Transport | null {
  const url = smarthostUrlOf(settings)
  if (url === undefined) return null
  return createSmtpTransport({
    router: createSmarthostRouter(parseSmarthostUrl(url, 'opportunistic')),
    addressesOf: createMxResolver({ lookUp }).addressesOf,
    ehloName: settings.delivery.ehlo ?? hostname(),
    allowPrivate: true,
  })
}
