/**
 * lane-snapshots - writes the status of the queue's lanes into the store, so that every node can show it
 *
 * Each save examines the next 2,000 lanes at most and writes those that have changed, so that a hundred thousand lanes cost no more at once; each row has the
 * time of its snapshot. Throughput is stored in intervals; the current one is written again until it is over.
 *
 *     const laneSnapshots = createLaneSnapshots(hostname())
 *     await laneSnapshots.save(engine, queue, now)      every 5 seconds, and after transitions (not more often than once a second)
 *
 * See also: store/queue/lane-snapshots, queue/observe/lane-view, http/api/queue.
 */
import { lastStepStart, throughputSince } from '../../queue/observe/throughput.ts'
import { statusOfLane, type LaneStatus } from '../../queue/observe/lane-view.ts'
import type { Lane, QueueState } from '../../queue/queue-state.ts'
import { redactLocalParts } from '../../mail/redact-local-parts.ts'
import type { Engine } from '../../store/engine/engine.ts'
import {
  saveLaneSnapshotsForOperator,
  SERIES_INTERVAL_MS,
  type LaneSnapshotChanges,
  type LaneSnapshotRow,
  type LaneThroughputRow,
  type SeriesInterval,
} from '../../store/queue/lane-snapshots.ts'

export type LaneSnapshots = {
  /** Writes what has changed. Faults: store_busy; the next save writes it then. */
  readonly save: (engine: Pick<Engine, 'tx'>, queue: QueueState, now: number) => Promise<void>
}

/** A few milliseconds of this thread. */
const LANES_PER_SAVE = 2_000

/** What the store has of a lane: its status as JSON, and the start of the last written interval of each width. */
type SavedLane = { readonly statusJson: string; readonly lastFiveSecondStep: number; readonly lastMinuteStep: number }

/** A lane that the next save writes whole, or removes. */
const UNKNOWN_LANE: SavedLane = { statusJson: '', lastFiveSecondStep: 0, lastMinuteStep: 0 }

type SnapshotState = {
  readonly node: string
  readonly savedLanes: Map<string, SavedLane>
  laneIterator: Iterator<Lane> | null
  isFirst: boolean
}

/** Creates the writer of one session. Its first save replaces what an earlier node has written. `node` is the name in the heartbeat. */
export function createLaneSnapshots(node: string): LaneSnapshots {
  const state: SnapshotState = { node, savedLanes: new Map(), laneIterator: null, isFirst: true }
  return {
    save: async (engine, queue, now) => {
      const { snapshot, written } = takeSnapshot(state, queue, now)
      // The commit may have no answer: until it has one, these rows may be in the store or not.
      for (const name of snapshot.removed.map(({ account, domain }) => laneNameOf(account, domain)))
        state.savedLanes.set(name, UNKNOWN_LANE)
      for (const name of written.keys())
        state.savedLanes.set(name, { ...(state.savedLanes.get(name) ?? UNKNOWN_LANE), statusJson: UNKNOWN_LANE.statusJson })
      await engine.tx((db) => saveLaneSnapshotsForOperator(db, snapshot, { at: now, node }), { visibility: 'latest' })
      state.isFirst = false
      for (const { account, domain } of snapshot.removed) state.savedLanes.delete(laneNameOf(account, domain))
      for (const [name, saved] of written) state.savedLanes.set(name, saved)
    },
  }
}

const laneNameOf = (account: number, domain: string): string => `${account}|${domain}`

type SnapshotChanges = { readonly snapshot: LaneSnapshotChanges; readonly written: ReadonlyMap<string, SavedLane> }

function takeSnapshot(state: SnapshotState, queue: QueueState, now: number): SnapshotChanges {
  const changed: LaneSnapshotRow[] = []
  const empty: LaneSnapshotRow[] = []
  const steps: LaneThroughputRow[] = []
  const written = new Map<string, SavedLane>()
  for (const lane of nextLanes(state, queue)) {
    const name = laneNameOf(lane.account, lane.domain)
    const before = state.savedLanes.get(name)
    const status = redactStatus(statusOfLane(queue, lane, now))
    const text = JSON.stringify(status)
    const newSteps = [...stepsOf(lane, 'fives', before?.lastFiveSecondStep ?? 0), ...stepsOf(lane, 'minutes', before?.lastMinuteStep ?? 0)]
    const rows = lane.waiting + lane.inFlight === 0 ? empty : changed
    if (text !== before?.statusJson) rows.push({ account: lane.account, domain: lane.domain, status, savedAt: now, node: state.node })
    steps.push(...newSteps)
    written.set(name, {
      statusJson: text,
      lastFiveSecondStep: lastStepStart(lane.throughput, 'fives'),
      lastMinuteStep: lastStepStart(lane.throughput, 'minutes'),
    })
  }
  return { snapshot: { changed, empty, removed: removedLanes(state, queue), throughput: steps, replacesAll: state.isFirst }, written }
}

/** The next lanes; after the last one it starts at the first again. */
function nextLanes(state: SnapshotState, queue: QueueState): readonly Lane[] {
  const selected: Lane[] = []
  const count = Math.min(LANES_PER_SAVE, queue.lanes.size)
  let restarts = 0
  while (selected.length < count && restarts < 2) {
    state.laneIterator ??= queue.lanes.values()
    const { done, value } = state.laneIterator.next()
    if (done !== true) selected.push(value)
    else {
      state.laneIterator = null
      restarts += 1
    }
  }
  return [...new Set(selected)]
}

function removedLanes({ savedLanes: saved }: SnapshotState, queue: QueueState): { account: number; domain: string }[] {
  const present = new Set([...queue.lanes.values()].map(({ account, domain }) => laneNameOf(account, domain)))
  return [...saved.keys()].flatMap((name) => {
    const at = name.indexOf('|')
    return present.has(name) ? [] : [{ account: Number(name.slice(0, at)), domain: name.slice(at + 1) }]
  })
}

/** A snapshot outlives the message, so it contains no address. */
const redactStatus = (status: LaneStatus): LaneStatus => ({
  ...status,
  evidence: status.evidence.map((reply) => ({ ...reply, text: redactLocalParts(reply.text) })),
})

/** The intervals from the last written one on, which may have grown. */
function stepsOf({ account, domain, throughput: rates }: Lane, which: SeriesInterval, from: number): LaneThroughputRow[] {
  const width = SERIES_INTERVAL_MS[which]
  return throughputSince(rates, which, from).map(([at, ins, tries, outs]) => ({ account, domain, width, at, ins, tries, outs }))
}
