/**
 * mailbox-position.test - whatever a server, its users and kills of the daemon do: every mail is read, and its facts are made once
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  advancePosition,
  openPosition,
  sliceLength,
  uidsToRead,
  withoutGone,
  type MailboxPosition,
} from '../../src/mailbox/mailbox-position.ts'

const position = (uidValidity: string | null, lastUid: number, retryUids: readonly number[] = []): MailboxPosition => ({
  uidValidity,
  lastUid,
  retryUids,
})

test.each([
  // stored                   uidValidity  uidNext  opened
  [null, '7', 5, position('7', 0)],
  [position('7', 4, [2]), '7', 5, position('7', 4, [2])],
  [position('7', 4, [2]), '7', null, position('7', 4, [2])],
  [position('7', 4, [2]), '8', 5, position('8', 0)],
  [position('7', 4, [2]), '7', 4, position('7', 0)],
  [position('7', 4, [2]), null, 5, position(null, 0)],
  [position(null, 4, [2]), null, 5, position(null, 0)],
] as const)('%j in a folder with UIDVALIDITY %s and UIDNEXT %s', (stored, uidValidity, uidNext, want) => {
  expect(openPosition(stored, { uidValidity, uidNext })).toEqual(want)
})

test.each([
  // position                  found        to read
  [position('7', 4), [4], []],
  [position('7', 4), [6, 5, 4], [5, 6]],
  [position('7', 4, [2]), [5], [2, 5]],
  [position('7', 4, [2]), [], [2]],
] as const)('%j and %j: %j', (from, found, want) => expect(uidsToRead(from, found)).toEqual(want))

test.each([
  // bytes of the next mails                          a slice
  [[], 0],
  [[100], 1],
  [[100_000_000, 1], 1],
  [[4_000_000, 4_000_000, 4_000_000], 2],
  [Array.from({ length: 300 }, () => 10), 100],
] as const)('%# a slice of %j', (sizes, want) => expect(sliceLength(sizes)).toBe(want))

/** A folder on a server: UIDs and the content of their mails. */
type Folder = { uidValidity: number; uidNext: number; readonly mails: Map<number, string> }

type Action =
  | { readonly kind: 'deliver' | 'remove' | 'renumber' | 'restore' | 'reopen' }
  | { readonly kind: 'read'; readonly slices: number; readonly refusedUid: number; readonly killedAfter: 'submit' | 'move' | null }

const ACTIONS: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: 'deliver' } as const) },
  fc.constantFrom({ kind: 'remove' } as const, { kind: 'renumber' } as const, { kind: 'restore' } as const, { kind: 'reopen' } as const),
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      slices: fc.integer({ min: 0, max: 4 }),
      refusedUid: fc.integer({ min: 0, max: 8 }),
      killedAfter: fc.constantFrom('submit' as const, 'move' as const, null),
    }),
  },
)

/** A world of one folder and one reader that moves, or leaves, what it has read. */
function createWorld(moves: boolean): {
  readonly step: (action: Action) => void
  readonly delivered: Set<string>
  readonly facts: string[]
} {
  const folder: Folder = { uidValidity: 1, uidNext: 1, mails: new Map() }
  const delivered = new Set<string>()
  const facts: string[] = []
  let stored: MailboxPosition | null = null
  const submit = (mail: string): void => {
    // The receiver knows the digest of a mail that it has read.
    if (!facts.includes(mail)) facts.push(mail)
  }
  const read = ({ slices, refusedUid, killedAfter }: Extract<Action, { kind: 'read' }>): void => {
    let now = openPosition(stored, { uidValidity: String(folder.uidValidity), uidNext: folder.uidNext })
    stored = now
    const uids = uidsToRead(
      now,
      [...folder.mails.keys()].filter((uid) => uid > now.lastUid || uid === Math.max(...folder.mails.keys())),
    )
    const present = new Set(uids.filter((uid) => folder.mails.has(uid)))
    now = withoutGone(now, uids, present)
    const todo = [...present]
    for (let n = 0; n < slices && todo.length > 0; n++) {
      const slice = todo.splice(0, 2)
      const handed = slice.filter((uid) => uid !== refusedUid)
      for (const uid of handed) submit(folder.mails.get(uid) ?? '')
      if (killedAfter === 'submit' && n === slices - 1) return
      if (moves) for (const uid of handed) folder.mails.delete(uid)
      if (killedAfter === 'move' && n === slices - 1) return
      now = advancePosition(now, new Map(slice.map((uid) => [uid, uid === refusedUid ? 'failed' : 'done'])))
      stored = now
    }
  }
  const renumber = (): void => {
    const mails = [...folder.mails.values()]
    folder.mails.clear()
    for (const [n, mail] of mails.entries()) folder.mails.set(n + 1, mail)
    folder.uidNext = mails.length + 1
  }
  const actions: Record<Exclude<Action['kind'], 'read'>, () => void> = {
    deliver: () => {
      const mail = `mail ${delivered.size}`
      delivered.add(mail)
      folder.mails.set(folder.uidNext++, mail)
    },
    // A user removes the first mail: what was never read is not ours to report.
    remove: () => {
      const [uid, mail] = [...folder.mails][0] ?? []
      if (uid === undefined || mail === undefined) return
      folder.mails.delete(uid)
      if (!facts.includes(mail)) delivered.delete(mail)
    },
    renumber: () => {
      folder.uidValidity++
      renumber()
    },
    // A server that is restored from a backup forgets the UIDs that it handed out since, if none of them is in use.
    restore: () => {
      folder.uidNext = Math.max(0, ...folder.mails.keys()) + 1
    },
    reopen: () => undefined,
  }
  return { step: (action) => (action.kind === 'read' ? read(action) : actions[action.kind]()), delivered, facts }
}

test('every mail that stays long enough is read, once', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(ACTIONS, { maxLength: 40 }), (moves, actions) => {
      const { step, delivered, facts } = createWorld(moves)
      for (const action of actions) {
        // Nobody could see a restore after which as many mails arrive as were lost, so a session comes in between.
        step(action)
        if (action.kind === 'restore') step({ kind: 'read', slices: 0, refusedUid: 0, killedAfter: null })
      }
      for (let n = 0; n < 3; n++) step({ kind: 'read', slices: 100, refusedUid: 0, killedAfter: null })
      expect(new Set(facts)).toEqual(delivered)
      expect(facts).toHaveLength(delivered.size)
    }),
  )
})
