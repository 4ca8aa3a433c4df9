/** mx-site.test - names of sites that no rule file lists, and the site of each host of a split MX */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { siteOfMxHost } from '../../src/classify/mx-site.ts'
import { loadRules } from '../../src/config/rule-files.ts'

const table = loadRules()

/** Of hosts of one organisation. */
const nameOf = (hosts: readonly string[]): string => siteOfMxHost(table, { host: hosts[0] ?? '', hosts, domain: 'a.example' }).site

test.each([
  // hosts                                                          name
  [['mx.host.example'], 'mx.host.example'],
  [['mx2.host.example', 'mx1.host.example'], '(mx1,mx2).host.example'],
  [['mx1.host.example', 'mx1.host.example'], 'mx1.host.example'],
  [['a.eu.host.example', 'a.us.host.example'], '(a.eu,a.us).host.example'],
  [['host.example', 'mx.host.example'], '(host,mx.host).example'],
])('the name of %j is %s', (hosts, name) => expect(nameOf(hosts)).toBe(name))

const label = fc.stringMatching(/^[a-z0-9]{1,12}$/)
const host = fc.array(label, { minLength: 0, maxLength: 4 }).map((labels) => [...labels, 'host', 'example'].join('.'))

test('a name is the same for any order and repetition, has no separator of keys, and differs for different sets', () => {
  fc.assert(
    fc.property(fc.array(host, { minLength: 1, maxLength: 6 }), fc.array(host, { minLength: 1, maxLength: 6 }), (some, others) => {
      expect(nameOf([...some, ...some.toReversed()])).toBe(nameOf(some))
      expect(nameOf(some)).not.toContain('|')
      const isSame = new Set(some).symmetricDifference(new Set(others)).size === 0
      const isCut = [some, others].some((each) => nameOf(each).length >= 200)
      expect(isCut || (nameOf(some) === nameOf(others)) === isSame).toBe(true)
    }),
  )
})

test.each([
  // host, hosts, domain                                                                       site, gateway
  ['mx1.host.example', ['mx1.host.example', 'mx2.host.example'], 'a.example', '(mx1,mx2).host.example', true],
  ['mx1.host.example', ['mx1.host.example', 'mx2.host.example'], 'b.example', '(mx1,mx2).host.example', true],
  ['mx1.host.example', ['mx1.host.example', 'backup.other.example'], 'a.example', 'mx1.host.example', true],
  ['backup.other.example', ['mx1.host.example', 'backup.other.example'], 'a.example', 'backup.other.example', true],
  ['aspmx.l.google.com', ['aspmx.l.google.com', 'mx.other.example'], 'a.example', 'google', false],
  ['mx.other.example', ['aspmx.l.google.com', 'mx.other.example'], 'a.example', 'mx.other.example', true],
  ['mx.other.example', ['mx.other.example'], 'gmail.com', 'google', false],
  // A domain cannot take the name of a listed site.
  ['google', ['google'], 'a.example', 'a.example', false],
  ['google', ['google', 'yahoo'], 'a.example', 'a.example', false],
])('%s among %j of %s is %s', (name, hosts, domain, site, gateway) =>
  expect(siteOfMxHost(table, { host: name, hosts, domain })).toEqual({ site, gateway }),
)
