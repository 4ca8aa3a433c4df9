/** domain-checks.test - checks of a sender's domain against a DNS zone of the test, one row for each state */
import { expect, test } from 'vitest'
import { checkDomain, type DomainCheck } from '../../src/compose/domain-checks.ts'
import type { ObservedDkimKey } from '../../src/compose/domain-observation.ts'
import { createSelfSignedCertificate } from '../../src/net/certificate.ts'
import { lookUpDomain, type DomainLookupOptions } from '../../src/net/domain-lookup.ts'
import { createZoneLookUp, type Zone } from '../support/zone.ts'

const NOW = Date.UTC(2026, 0, 15)
const active: Omit<ObservedDkimKey, 'record'> = { domain: 'example.com', selector: 'k1', state: 'active', publicKey: 'QUJD' }

const good: Zone = {
  'MX example.com': [['mx.example.com', '10']],
  'MX b.example.com': [['mx.bounced.example', '10']],
  'MX fbl.example.com': [['mx.bounced.example', '10']],
  'A mx.bounced.example': ['192.0.2.5'],
  'A out.example.com': ['192.0.2.5'],
  'AAAA six.example.com': ['2001:db8::5'],
  'TXT b.example.com': [['v=spf1 ip4:192.0.2.0/24 -all']],
  'TXT k1._domainkey.example.com': [['v=DKIM1; k=rsa; ', 'p=QUJD']],
  'TXT _dmarc.example.com': [['v=DMARC1; p=reject; rua=mailto:d@example.com']],
  'PTR 5.2.0.192.in-addr.arpa': ['out.example.com'],
  'PTR 5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa': ['six.example.com.'],
}

const options: DomainLookupOptions = {
  domain: 'example.com',
  returnPathDomain: 'b.example.com',
  feedbackDomain: 'fbl.example.com',
  ehlo: 'out.example.com',
  ourHosts: ['192.0.2.5'],
  egressIps: ['192.0.2.5'],
  keys: [active],
  certificate: createSelfSignedCertificate('mx.bounced.example', NOW),
  outgoingTls: 'opportunistic',
  now: NOW,
}

const without = (...keys: readonly string[]): Zone => Object.fromEntries(Object.entries(good).filter(([key]) => !keys.includes(key)))
const check = async (zone: Zone, more: Partial<DomainLookupOptions> = {}): Promise<readonly DomainCheck[]> =>
  checkDomain(await lookUpDomain(createZoneLookUp(zone), { ...options, ...more }))

test('a domain that is set up correctly: nothing to do', async () => {
  const checks = await check(good)
  expect(checks.filter(({ level }) => level !== 'ok')).toEqual([])
  expect(checks.map(({ id }) => id)).toEqual([
    'mx',
    'return-path-mx',
    'feedback-mx',
    'spf',
    'dkim',
    'dmarc',
    'alignment',
    'ptr',
    'ehlo',
    'cfbl',
    'srs',
    'tls-in',
    'tls-out',
  ])
  expect(checks.every(({ todo }) => todo === null)).toBe(true)
})

test.each<[string, Zone, Partial<DomainLookupOptions>, string]>([
  // problem                           DNS                                                       settings                            checks
  ['no MX of its own', without('MX example.com'), {}, 'mx fail'],
  ['null MX', { ...good, 'MX example.com': [['', '0']] }, {}, 'mx fail'],
  ['name servers do not answer', { ...good, 'MX example.com': 'ESERVFAIL' }, {}, 'mx warn'],
  ['no MX for bounces', without('MX b.example.com'), {}, 'return-path-mx fail, tls-in warn'],
  ['bounces lead to another host', good, { ourHosts: ['192.0.2.9'] }, 'return-path-mx warn, feedback-mx warn'],
  ['the MX is our name', good, { ourHosts: ['mx.bounced.example'] }, ''],
  ['no MX for complaints', without('MX fbl.example.com'), {}, 'feedback-mx fail'],
  ['not in SPF', { ...good, 'TXT b.example.com': [['v=spf1 ip4:198.51.100.1 -all']] }, {}, 'spf fail'],
  ['SPF softfail', { ...good, 'TXT b.example.com': [['v=spf1 ~all']] }, {}, 'spf warn'],
  ['no SPF', without('TXT b.example.com'), {}, 'spf fail'],
  ['SPF lookup times out', { ...good, 'TXT b.example.com': 'ETIMEOUT' }, {}, 'spf warn'],
  ['no egress IP known', good, { egressIps: [] }, 'egress warn'],
  ['no key', good, { keys: [] }, 'dkim fail, alignment warn'],
  ['only a waiting key', good, { keys: [{ ...active, state: 'waiting' }] }, 'dkim fail, dkim ok, alignment warn'],
  [
    'a waiting key that is not published',
    without('TXT k1._domainkey.example.com'),
    { keys: [active, { ...active, selector: 'k2', state: 'waiting' }] },
    'dkim fail, dkim warn, alignment warn',
  ],
  ['a key without record', without('TXT k1._domainkey.example.com'), {}, 'dkim fail, alignment warn'],
  ['another key published', { ...good, 'TXT k1._domainkey.example.com': [['v=DKIM1; p=WFla']] }, {}, 'dkim fail'],
  ['a key that we do not hold', { ...good, 'TXT k1._domainkey.example.com': [['p=WFla']] }, { keys: [{ ...active, publicKey: null }] }, ''],
  ['a revoked key', { ...good, 'TXT k1._domainkey.example.com': [['v=DKIM1; p=']] }, {}, 'dkim fail'],
  ['a key in test mode', { ...good, 'TXT k1._domainkey.example.com': [['v=DKIM1; t=y; p=QUJD']] }, {}, 'dkim warn'],
  ['a retired key is not checked', good, { keys: [active, { ...active, selector: 'old', state: 'retired' }] }, ''],
  ['no DMARC', without('TXT _dmarc.example.com'), {}, 'dmarc fail'],
  ['DMARC none', { ...good, 'TXT _dmarc.example.com': [['v=DMARC1; p=none']] }, {}, 'dmarc warn'],
  ['DMARC nonsense', { ...good, 'TXT _dmarc.example.com': [['v=DMARC1; p=maybe']] }, {}, 'dmarc fail'],
  [
    'nothing aligned',
    without('TXT k1._domainkey.example.com'),
    { returnPathDomain: 'b.example.net' },
    'return-path-mx fail, spf fail, dkim fail, alignment fail, tls-in warn',
  ],
  ['strict SPF, DKIM aligned', { ...good, 'TXT _dmarc.example.com': [['v=DMARC1; p=reject; aspf=s']] }, {}, ''],
  ['only the parent domain signs', good, { domain: 'news.example.com', keys: [active] }, 'mx fail, alignment ok'],
  [
    'the parent domain signs, with strict alignment',
    { ...good, 'TXT _dmarc.news.example.com': [['v=DMARC1; p=reject; adkim=s; aspf=s']] },
    { domain: 'news.example.com' },
    'mx fail, alignment fail',
  ],
  ['no PTR', without('PTR 5.2.0.192.in-addr.arpa'), {}, 'ptr fail, ehlo warn'],
  ['a PTR that does not resolve back', { ...good, 'A out.example.com': ['192.0.2.77'] }, {}, 'ptr fail, ehlo fail'],
  ['EHLO is another name', good, { ehlo: 'mx.bounced.example' }, 'ehlo warn'],
  ['EHLO does not resolve', good, { ehlo: 'laptop' }, 'ehlo fail'],
  [
    'IPv6',
    { ...good, 'TXT b.example.com': [['v=spf1 ip6:2001:db8::/32 -all']] },
    { egressIps: ['2001:DB8:0::5'], ehlo: 'six.example.com' },
    '',
  ],
  [
    'complaints at another organisation',
    { ...good, 'MX fbl.example.net': [['mx.bounced.example', '10']] },
    { feedbackDomain: 'fbl.example.net' },
    'cfbl warn',
  ],
  [
    'a long Return-Path',
    {
      ...good,
      'MX a-very-long-name.example.com': [['mx.bounced.example', '10']],
      'TXT a-very-long-name.example.com': [['v=spf1 ip4:192.0.2.5 -all']],
    },
    { returnPathDomain: 'a-very-long-name.example.com' },
    'srs warn',
  ],
  ['no certificate', good, { certificate: null }, 'tls-in warn'],
  ['a certificate for another name', good, { certificate: createSelfSignedCertificate('other.example.com', NOW) }, 'tls-in warn'],
  ['an expired certificate', good, { now: NOW + 3_660 * 86_400_000 }, 'tls-in fail'],
  ['a certificate that expires soon', good, { now: NOW + 3_640 * 86_400_000 }, 'tls-in warn'],
  ['mail in clear text', good, { outgoingTls: 'off' }, 'tls-out warn'],
])('%s', async (_, zone, more, want) => {
  const checks = await check(zone, more)
  const found = checks
    .filter(({ level, id }) => level !== 'ok' || want.split(', ').includes(`${id} ok`))
    .map(({ id, level }) => `${id} ${level}`)
  expect(found.join(', ')).toBe(want)
  // Every check that is not ok says what to do.
  expect(checks.filter(({ level, todo }) => (level === 'ok') !== (todo === null))).toEqual([])
})
