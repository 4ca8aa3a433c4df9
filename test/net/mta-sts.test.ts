/** mta-sts.test - the verdict of a domain's policy, which is kept, asked for once at a time, and outlives a failed look-up */
import { expect, test } from 'vitest'
import { createMtaStsPolicies } from '../../src/net/mta-sts.ts'
import { createZoneLookUp } from '../support/zone.ts'

type FetchPolicy = NonNullable<NonNullable<Parameters<typeof createMtaStsPolicies>[1]>['fetchPolicy']>

const lookUp = createZoneLookUp({})
const enforced = {
  id: '1',
  mode: 'enforce',
  mx: ['mx1.example.com', '*.host.example'],
  expires: new Date(Date.now() + 3_600_000).toISOString(),
} as const

test.each([
  // mode        host                    verdict
  ['enforce', 'mx1.example.com', 'verified'],
  ['enforce', 'a.host.example', 'verified'],
  ['enforce', 'a.b.host.example', 'forbidden'],
  ['enforce', 'mx2.example.com', 'forbidden'],
  ['testing', 'mx2.example.com', 'none'],
  ['none', 'mx2.example.com', 'none'],
] as const)('mode %s, host %s: %s', async (mode, host, want) => {
  const policies = createMtaStsPolicies(lookUp, { fetchPolicy: async () => ({ ...enforced, mx: [...enforced.mx], mode }) })
  expect(await policies.check('example.com', host)).toBe(want)
})

test('a policy is asked for once at a time and again after five minutes; a failure keeps the known one', async () => {
  const asked: unknown[] = []
  let now = 0
  let isDown = false
  const fetchPolicy: FetchPolicy = async (domain, known) => {
    asked.push([domain, known?.id ?? null])
    if (isDown) throw new Error('no answer')
    return { ...enforced, mx: [...enforced.mx] }
  }
  const policies = createMtaStsPolicies(lookUp, { fetchPolicy, now: () => now })
  const check = (): Promise<string> => policies.check('example.com', 'mx1.example.com')
  expect(await Promise.all([check(), check(), check()])).toEqual(['verified', 'verified', 'verified'])
  expect(asked).toEqual([['example.com', null]])
  now = 300_000
  isDown = true
  expect(await Promise.all([check(), check()])).toEqual(['verified', 'verified'])
  expect(asked).toEqual([
    ['example.com', null],
    ['example.com', '1'],
  ])
})

test('a domain without a record, or whose first look-up fails, has no policy', async () => {
  expect(await createMtaStsPolicies(lookUp).check('example.com', 'mx1.example.com')).toBe('none')
  const failing = createMtaStsPolicies(createZoneLookUp({ 'TXT _mta-sts.example.com': 'ETIMEOUT' }))
  expect(await failing.check('example.com', 'mx1.example.com')).toBe('none')
})

test('a policy host in the internal network is not asked', async () => {
  const internal = createZoneLookUp({ 'TXT _mta-sts.example.com': [['v=STSv1; id=1;']], 'A mta-sts.example.com': ['127.0.0.1'] })
  expect(await createMtaStsPolicies(internal).check('example.com', 'mx1.example.com')).toBe('none')
})
