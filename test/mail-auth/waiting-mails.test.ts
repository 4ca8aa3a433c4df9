/**
 * waiting-mails.test - senders take turns, and the queue never holds more than its bounds
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createWaitingMails } from '../../src/mail-auth/waiting-mails.ts'

const drain = (waiting: ReturnType<typeof createWaitingMails>, isAllowed = (_sender: string): boolean => true): string[] => {
  const senders: string[] = []
  for (let mail = waiting.next(isAllowed); mail !== null; mail = waiting.next(isAllowed)) senders.push(mail.sender)
  return senders
}

test('senders take turns; one that is not allowed is passed over and keeps its mails', () => {
  const waiting = createWaitingMails({ maxMails: 100, maxBytes: 100 })
  for (const sender of ['a', 'a', 'a', 'b', 'b', 'c']) waiting.push({ sender, bytes: 1 })
  expect(drain(waiting, (sender) => sender !== 'b')).toEqual(['a', 'c', 'a', 'a'])
  expect(drain(waiting)).toEqual(['b', 'b'])
})

test('one mail is taken however large it is', () => {
  const waiting = createWaitingMails({ maxMails: 2, maxBytes: 10 })
  expect(waiting.push({ sender: 'a', bytes: 1_000 })).toBe(true)
  expect(waiting.push({ sender: 'b', bytes: 1 })).toBe(false)
})

test('what is queued comes out once, and mails and bytes stay within the bounds', () => {
  const push = fc.record({ sender: fc.constantFrom('a', 'b', 'c', 'd'), bytes: fc.integer({ min: 0, max: 5 }) })
  const action = fc.oneof(
    push,
    fc.constant('next' as const),
    fc.constantFrom('a', 'b').map((removed) => ({ removed })),
  )
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const waiting = createWaitingMails<{ sender: string; bytes: number }>({ maxMails: 6, maxBytes: 12 })
      const held = new Set<object>()
      for (const each of actions) {
        const item = typeof each === 'object' && 'sender' in each ? { ...each } : null
        const removed = typeof each === 'object' && 'removed' in each ? waiting.remove(({ sender }) => sender === each.removed) : []
        const next = each === 'next' ? waiting.next(() => true) : null
        const out = next === null ? removed : [next]
        expect(out.every((mail) => held.delete(mail))).toBe(true)
        if (item !== null && waiting.push(item)) held.add(item)
        expect(waiting.count()).toBe(held.size)
        expect(held.size).toBeLessThanOrEqual(6)
        expect([...held].reduce((sum, mail) => sum + Number(Reflect.get(mail, 'bytes')), 0)).toBeLessThanOrEqual(12)
      }
      const rest = waiting.remove(() => true)
      expect(new Set<object>(rest)).toEqual(held)
    }),
  )
})
