/**
 * queue-join.test - the lines of a queue id, in any split into batches, and ids that come again
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashAddress } from '../../src/correlate/address-hash.ts'
import { createRelayMatcher, isPassedOn } from '../../src/mta-log/hand-over.ts'
import { createLogOutcome, type LogOutcome } from '../../src/mta-log/log-outcome.ts'
import { joinLines, type FindDelivery, type FollowedMessage } from '../../src/mta-log/queue-join.ts'

const NOW = Date.UTC(2026, 10, 29)

/** The mail of a sender `s1@…` to `a@…` is the delivery `s1/a`. */
const find: FindDelivery = ({ senders, addressHashes }) => {
  const [sender] = senders.filter((each) => each.startsWith('s'))
  const recipient = ['a', 'b'].find((each) => addressHashes.includes(hashAddress(`${each}@example.org`) ?? ''))
  return sender === undefined || recipient === undefined ? null : { account: 1, deliveryId: `${sender.split('@')[0]}/${recipient}` }
}

const isOwnRelay = createRelayMatcher(['.internal.example', '10.0.0.0/8'])

/** Joins batches one after the other, with the entries stored between them. */
function joinBatches(batches: readonly (readonly LogOutcome[])[]) {
  let stored: readonly FollowedMessage[] = []
  const results = batches.map((lines) => {
    const ids = new Set(lines.flatMap(({ queueId, queuedAs }) => [queueId, queuedAs]))
    const result = joinLines({ lines, entries: stored.filter(({ queueId }) => ids.has(queueId)), find, isOwnRelay, host: 'mail', now: NOW })
    const key = ({ host, queueId }: FollowedMessage): string => `${host}/${queueId}`
    const gone = new Set([...result.removed, ...result.changed].map(key))
    stored = [...stored.filter((entry) => !gone.has(key(entry))), ...result.changed]
    return result
  })
  return { outcomes: results.flatMap(({ outcomes }) => outcomes.map(({ delivery, result }) => `${result} ${delivery.deliveryId}`)), stored }
}

const line = (event: LogOutcome['event'], queueId: string, over: Partial<LogOutcome> = {}): LogOutcome => ({
  ...createLogOutcome(event, queueId),
  ...over,
})
const MX = { kind: 'host', name: 'mx.example.org', ip: '192.0.2.25' } as const

/** A mail in a queue, as an MTA logs it. */
const mail = fc
  .record({
    id: fc.constantFrom('Q1', 'Q2'),
    sender: fc.constantFrom('s1@b.example.com', 's2@b.example.com'),
    recipients: fc.constantFrom(['a'], ['a', 'b']),
    deferrals: fc.nat(2),
    end: fc.constantFrom('sent', 'bounced', 'expired'),
  })
  .map(({ id, sender, recipients, deferrals, end }) => {
    const attempt = (event: LogOutcome['event'], recipient: string): LogOutcome =>
      line(event, id, { recipient: `${recipient}@example.org`, relay: MX })
    const deferred = Array.from({ length: deferrals + (end === 'expired' ? 1 : 0) }, () =>
      recipients.map((each) => attempt('deferred', each)),
    ).flat()
    const name = sender.split('@')[0] ?? ''
    const last =
      end === 'expired' ? [line('expired', id, { sender })] : recipients.map((each) => attempt(end === 'sent' ? 'sent' : 'bounced', each))
    return {
      lines: [
        line('received', id),
        line('named', id, { sender, recipientCount: recipients.length }),
        ...deferred,
        ...last,
        line('removed', id),
      ],
      want: [
        ...deferred.map(({ recipient }) => `deferred ${name}/${(recipient ?? '')[0]}`),
        ...recipients.map((each) => `${end} ${name}/${each}`),
      ],
    }
  })

test('mails that take the same ids one after the other, in any split into batches, give each outcome to its own mail', () => {
  const split = fc.array(fc.nat(40), { maxLength: 6 })
  fc.assert(
    fc.property(fc.array(mail, { minLength: 1, maxLength: 5 }), split, (mails, cuts) => {
      const lines = mails.flatMap((each) => each.lines)
      const places = [0, ...cuts.filter((cut) => cut < lines.length).toSorted((a, b) => a - b), lines.length]
      const batches = places.slice(1).map((place, index) => lines.slice(places[index], place))
      const { outcomes, stored } = joinBatches(batches)
      expect(outcomes).toEqual(mails.flatMap(({ want }) => want))
      expect(stored).toEqual([])
    }),
  )
})

test('any lines in any order give outcomes of mails that they name, and never throw', () => {
  const any = fc
    .record({
      event: fc.constantFrom('received', 'named', 'sent', 'deferred', 'bounced', 'expired', 'removed'),
      queueId: fc.constantFrom('', 'Q1', 'Q2', 'Q3'),
      host: fc.constantFrom(null, 'mail', 'relay'),
      sender: fc.constantFrom(null, '', 's1@b.example.com', 'other@example.net'),
      recipient: fc.constantFrom(null, 'a@example.org', 'b@example.org', 'not an address'),
      relay: fc.constantFrom(null, MX, { kind: 'pipe', name: 'x', ip: null } as const),
      queuedAs: fc.constantFrom(null, 'Q2', 'Q3'),
    })
    .map(({ event, queueId, ...over }) => line(event as LogOutcome['event'], queueId, over))
  fc.assert(
    fc.property(fc.array(fc.array(any, { maxLength: 8 }), { maxLength: 5 }), (batches) => {
      const { outcomes, stored } = joinBatches(batches)
      for (const each of outcomes) expect(each).toMatch(/^(?:sent|deferred|bounced|expired) s1\/[ab]$/)
      expect(new Set(stored.map(({ host, queueId }) => `${host}/${queueId}`)).size).toBe(stored.length)
    }),
  )
})

test('a hand-over in the same batch, with a rewritten sender and recipient', () => {
  const lines = [
    line('named', 'Q1', { sender: 's1@b.example.com' }),
    line('received', 'Q2'),
    line('named', 'Q2', { sender: 'filter@example.com' }),
    line('sent', 'Q1', { recipient: 'a@example.org', relay: { kind: 'host', name: 'localhost', ip: '127.0.0.1' }, queuedAs: 'Q2' }),
    line('removed', 'Q1'),
    line('bounced', 'Q2', { recipient: 'a@example.org', relay: MX }),
    line('removed', 'Q2'),
  ]
  expect(joinBatches([lines])).toEqual({ outcomes: ['bounced s1/a'], stored: [] })
  expect(joinBatches(lines.map((each) => [each]))).toEqual({ outcomes: ['bounced s1/a'], stored: [] })
})

test.each([
  // relay                                                        hand-over
  [{ kind: 'host', name: 'mx.example.org', ip: '192.0.2.25' }, false],
  [{ kind: 'host', name: '127.0.0.1', ip: '127.0.0.1' }, true],
  [{ kind: 'host', name: 'x', ip: '::1' }, true],
  [{ kind: 'host', name: 'x', ip: '::ffff:127.0.0.2' }, true],
  [{ kind: 'host', name: 'localhost', ip: null }, true],
  [{ kind: 'host', name: 'filter.internal.example', ip: '192.0.2.9' }, true],
  [{ kind: 'host', name: 'x', ip: '10.1.2.3' }, true],
  [{ kind: 'host', name: 'internal.example', ip: '192.0.2.9' }, false],
  [{ kind: 'socket', name: 'private/dovecot-lmtp', ip: null }, true],
  [{ kind: 'pipe', name: 'dovecot', ip: null }, true],
  [{ kind: 'local', name: 'local', ip: null }, false],
  [null, false],
] as const)('a relay %j is a hand-over: %j', (relay, want) => {
  expect(isPassedOn({ relay, queuedAs: null }, isOwnRelay)).toBe(want)
})

test('a relay that is neither a name nor a network matches nothing', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string()),
      fc.string(),
      (relays, name) => typeof createRelayMatcher(relays)({ kind: 'host', name, ip: name }) === 'boolean',
    ),
  )
  expect(createRelayMatcher(['10.0.0.0/99', ''])({ kind: 'host', name: 'x', ip: '10.0.0.1' })).toBe(false)
})
