/**
 * lane-snapshots - keeps the store's picture of the queue's lanes up to date, for every node to answer from
 *
 * One for each deliverer. A turn looks at a slice of the lanes, writes those that changed, and never more than a slice, so that a hundred
 * thousand lanes cost no more at once than two thousand; each row says when it was looked at. Rates go in as steps, each written until it
 * is over.
 *
 *     const keeper = createLaneKeeper(hostname())
 *     await keeper.save(engine, queue, now)      every 5 seconds, and after transitions (not more often than once a second)
 *
 * See also: store/queue/lane-snapshots, queue/observe/lane-view, http/api/queue.
 */
import type { Rates, Step } from '../../queue/observe/throughput.ts'
import { statusOfLane, type LaneStatus } from '../../queue/observe/lane-view.ts'
import type { Lane, Stock } from '../../queue/queue-state.ts'
import { withoutNames } from '../../queue/observe/transition-facts.ts'
import type { Engine } from '../../store/engine/engine.ts'
import {
  saveLanesForOperator,
  STEP_WIDTHS,
  type LanePicture,
  type LaneRow,
  type LaneStep,
  type StepWidth,
} from '../../store/queue/lane-snapshots.ts'

export type LaneKeeper = {
  /** Writes what changed. Faults: store_busy; the next turn writes it then. */
  readonly save: (engine: Pick<Engine, 'tx'>, queue: Stock, now: number) => Promise<void>
}

/** Lanes that one turn looks at: a few milliseconds. */
const SLICE = 2_000

/** What the store holds of a lane: its status as text, and the last step written of each width. */
type Known = { readonly text: string; readonly fives: number; readonly minutes: number }

type Keeping = { readonly known: Map<string, Known>; lanes: Iterator<Lane> | null; isFirst: boolean }

/** A keeper that has written nothing; its first turn forgets what an earlier node wrote. `node` is what the pulse is signed with. */
export function createLaneKeeper(node: string): LaneKeeper {
  const keeping: Keeping = { known: new Map(), lanes: null, isFirst: true }
  return {
    save: async (engine, queue, now) => {
      const { picture, seen } = pictureOf(keeping, queue, now)
      await engine.tx((db) => saveLanesForOperator(db, picture, { at: now, node }), { sees: 'latest' })
      keeping.isFirst = false
      for (const { account, domain } of picture.gone) keeping.known.delete(nameOf(account, domain))
      for (const [name, known] of seen) keeping.known.set(name, known)
    },
  }
}

const nameOf = (account: number, domain: string): string => `${account}|${domain}`

type Seen = { readonly picture: LanePicture; readonly seen: ReadonlyMap<string, Known> }

function pictureOf(keeping: Keeping, queue: Stock, now: number): Seen {
  const changed: LaneRow[] = []
  const steps: LaneStep[] = []
  const seen = new Map<string, Known>()
  for (const lane of sliceOf(keeping, queue)) {
    const name = nameOf(lane.account, lane.domain)
    const before = keeping.known.get(name)
    const status = publicStatus(statusOfLane(queue, lane, now))
    const text = JSON.stringify(status)
    const fresh = [...stepsOf(lane, 'fives', before?.fives ?? 0), ...stepsOf(lane, 'minutes', before?.minutes ?? 0)]
    if (text !== before?.text) changed.push({ account: lane.account, domain: lane.domain, status, savedAt: now })
    steps.push(...fresh)
    seen.set(name, { text, fives: lastOf(lane.rates, 'fives'), minutes: lastOf(lane.rates, 'minutes') })
  }
  return { picture: { changed, gone: goneOf(keeping, queue), steps, all: keeping.isFirst }, seen }
}

/** The next lanes in turn, and the first again after the last. */
function sliceOf(keeping: Keeping, queue: Stock): readonly Lane[] {
  const slice: Lane[] = []
  const wanted = Math.min(SLICE, queue.lanes.size)
  let restarts = 0
  while (slice.length < wanted && restarts < 2) {
    keeping.lanes ??= queue.lanes.values()
    const { done, value } = keeping.lanes.next()
    if (done !== true) slice.push(value)
    else {
      keeping.lanes = null
      restarts += 1
    }
  }
  return [...new Set(slice)]
}

function goneOf({ known }: Keeping, queue: Stock): { account: number; domain: string }[] {
  const there = new Set([...queue.lanes.values()].map(({ account, domain }) => nameOf(account, domain)))
  return [...known.keys()].flatMap((name) => {
    const at = name.indexOf('|')
    return there.has(name) ? [] : [{ account: Number(name.slice(0, at)), domain: name.slice(at + 1) }]
  })
}

/** Nobody's address goes into a picture that outlives the mail. */
const publicStatus = (status: LaneStatus): LaneStatus => ({
  ...status,
  evidence: status.evidence.map((reply) => ({ ...reply, text: withoutNames(reply.text) })),
})

/** Steps from the last one that was written on: it may have grown. */
function stepsOf({ account, domain, rates }: Lane, which: StepWidth, from: number): LaneStep[] {
  const width = STEP_WIDTHS[which]
  return sinceOf(rates[which], from).map(([at, ins, tries, outs]) => ({ account, domain, width, at, ins, tries, outs }))
}

function sinceOf(steps: readonly Step[], from: number): readonly Step[] {
  let start = steps.length
  while (start > 0 && (steps[start - 1]?.[0] ?? 0) >= from) start -= 1
  return steps.slice(start)
}

const lastOf = (rates: Rates, which: StepWidth): number => rates[which].at(-1)?.[0] ?? 0
