/** fact-kinds.test - each kind of fact has its row, and erasure leaves nothing personal in any of them */
import { engagementData } from '../given.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { redactFact } from '../../../src/ledger/decide/redact.ts'
import { FACT_KIND_NAMES, FACT_KINDS, type FactKind, LOOSE_FACT_KINDS } from '../../../src/ledger/facts/fact-kinds.ts'
import type { Fact } from '../../../src/ledger/facts/fact.ts'
import type { FieldClass, FieldClasses } from '../../../src/ledger/facts/fact-fields.ts'

const ADDRESS = 'marked.person@example.com'
/** A value that stands for an IP address, a user agent or a link of the recipient. */
const PERSONAL = 'mark-of-the-person'

/** Released kinds, which are never renamed or removed. */
const RELEASED_KINDS = [
  'request',
  'stub',
  'attempt',
  'failed',
  'delayed',
  'delivered',
  'complaint',
  'not-spam',
  'unsubscribe',
  'open',
  'click',
  'machine-clicks',
  'filed',
  'tls-report',
  'list',
  'inbox',
  'gave-up',
  'route',
  'alarm',
  'alert',
  'brake',
  'queue',
  'reclassified',
  'audit',
  'erased',
]

test('every released kind has its row', () => {
  expect(FACT_KIND_NAMES).toEqual(RELEASED_KINDS)
})

test('a free-text field without a class does not compile', () => {
  type Data = { readonly text: string; readonly note: string | null; readonly kind: 'a' | 'b'; readonly n: number }
  const complete = { text: 'text', note: 'personal' } as const satisfies FieldClasses<Data>
  // @ts-expect-error `note` has no class.
  const incomplete = { text: 'text' } as const satisfies FieldClasses<Data>
  // @ts-expect-error `text` is never null, so it cannot be cleared.
  const cleared = { text: 'personal', note: 'text' } as const satisfies FieldClasses<Data>
  expect([complete, incomplete, cleared].map((fields) => fields.text)).toEqual(['text', 'text', 'personal'])
})

test('only transitions of the queue, inbound mail and TLS reports belong to no delivery and no report', () => {
  expect(LOOSE_FACT_KINDS).toEqual(['tls-report', 'route', 'queue'])
})

/** The marked address as text may hold it: alone, in a sentence, in brackets, in any letter case. */
const quoted = fc
  .tuple(
    fc.constantFrom(ADDRESS, ADDRESS.toUpperCase(), 'Marked.Person@Example.com'),
    fc.constantFrom('', '<', 'user ', ' "', ':'),
    fc.constantFrom('', '>', ' unknown', '";', '.', ', '),
  )
  .map(([address, before, after]) => `${before}${address}${after}`)

/** The same at any depth: in lists, in members, in the names of members. */
const nested = fc.oneof(
  quoted,
  fc.array(quoted, { minLength: 1, maxLength: 3 }),
  fc.dictionary(fc.constantFrom('text', 'matched', ADDRESS), fc.oneof(quoted, fc.array(quoted, { maxLength: 2 })), {
    minKeys: 1,
    maxKeys: 3,
  }),
)

const VALUE_OF_CLASS = { address: quoted, personal: fc.constant(PERSONAL), text: nested } as const satisfies Record<
  FieldClass,
  fc.Arbitrary<unknown>
>

/** A fact of a kind with the mark in every field of its row, and in a field that an earlier version may have had. */
function markedFact(kind: FactKind): fc.Arbitrary<Fact> {
  const fields: Readonly<Record<string, FieldClass>> = FACT_KINDS[kind].fields
  const values = Object.fromEntries(Object.entries(fields).map(([name, fieldClass]) => [name, VALUE_OF_CLASS[fieldClass]]))
  // Checked cast: the payload holds marks in the place of its values; erasure looks at nothing but strings.
  return fc.record({ ...values, fieldOfAnEarlierVersion: nested }).map((data) => ({ ...ENVELOPE, kind, data }) as unknown as Fact)
}

const ENVELOPE = {
  id: '00000000-0000-7000-8000-000000000001',
  v: 1,
  at: 0,
  receivedAt: 0,
  account: 1,
  deliveryId: null,
  deliveryMonth: 0,
  subject: 'subject',
  dedupKey: 'key',
  addressHash: null,
}

test.each(RELEASED_KINDS.flatMap((name) => FACT_KIND_NAMES.filter((kind) => kind === name)))(
  'erasure leaves nothing personal in %s',
  (kind) => {
    fc.assert(
      fc.property(markedFact(kind), (fact) => {
        const json = JSON.stringify(redactFact(fact, ADDRESS)).toLowerCase()
        expect(json).not.toContain(ADDRESS)
        expect(json).not.toContain(PERSONAL)
      }),
    )
  },
)

test('erasure clears an address, replaces it in text, and leaves other addresses and all other values alone', () => {
  const data = engagementData({ url: 'https://example.com/a', ip: '192.0.2.7', userAgent: 'Mail/1.0', country: 'DE', browser: 'Chrome' })
  const click: Fact = { ...ENVELOPE, kind: 'click', data }
  expect(redactFact(click, ADDRESS)).toEqual({ ...click, data: engagementData() })
  const delayed: Fact = {
    ...ENVELOPE,
    kind: 'delayed',
    data: {
      reported: `Marked.Person@example.com`,
      text: `${ADDRESS} is over quota, not.${ADDRESS} is not`,
      remoteMta: 'mx.example.com',
      lastAttemptAt: 5,
      willRetryUntil: null,
      verdict: null,
      tie: { via: 'rcpt', proof: 'token' },
      digest: 'd',
    },
  }
  const want = { ...delayed.data, reported: null, text: `erased is over quota, not.${ADDRESS} is not` }
  expect(redactFact(delayed, ADDRESS)).toEqual({ ...delayed, data: want })
})
