/**
 * verification-pool - the threads that verify mails, and the mails that wait for them
 *
 * A thread starts with the first mail that needs it, and all end when they are idle. Senders take turns, and no sender has more than half of the places and bytes, so
 * that one whose DNS servers are slow does not delay the others. A mail that waits too long ends without results.
 *
 * See also: mail-auth/signature-verifier, mail-auth/verification-thread, queue/schedule/fair-queue.
 */
import { Worker } from 'node:worker_threads'
import type { DnsLookup } from '../net/dns.ts'
import { clientBlockOf } from '../net/peer-network.ts'
import { workerUrl } from '../worker-url.ts'
import { createFairQueue, type FairQueue } from '../queue/schedule/fair-queue.ts'
import { startVerificationThread, type PartialResults, type VerificationThread } from './verification-thread.ts'
import type { MailToVerify } from './verify-signatures.ts'

type VerificationPool = {
  /** Never rejects. */
  readonly verify: (mail: MailToVerify, now: number) => Promise<PartialResults>
  readonly close: () => Promise<void>
}

type PoolOptions = { readonly maxThreads?: number; readonly timeLimitMs?: number; readonly createWorker?: () => Worker }

/** Mails of one sender share its turns. */
type MailInPool = {
  readonly sender: string
  readonly bytes: number
  readonly mail: MailToVerify
  readonly now: number
  readonly settle: (results: PartialResults) => void
}

const DEFAULT_THREADS = 2
/** A mail takes some milliseconds; what takes longer is a DNS server, which a sender may control. */
const TIME_LIMIT_MS = 5_000
const HINT_LIMIT_MS = 2_000
/** A thread compiles its code and mailauth, which takes seconds on a busy machine. */
const START_LIMIT_MS = 30_000
/** A sending MTA waits for the reply to its DATA for ten minutes (RFC 5321 §4.5.3.2.6). */
const WAITING_LIMIT_MS = 30_000
const IDLE_MS = 30_000
/** Most of these mails wait for DNS. */
const MAILS_PER_THREAD = 32
/** Six of the largest mails. */
const BYTES_IN_THREADS = 33_554_432
const MAX_WAITING = { maxItems: 2_000, maxBytes: 67_108_864 } as const
/** mailauth with its libraries takes about 40. The bytes of mails are not part of the heap. */
const HEAP_MB = 192
/** A small young generation returns the memory of mails soon. */
const YOUNG_MB = 8

const NOTHING_KNOWN: PartialResults = { parts: {}, isComplete: false }

const startWorker = (): Worker =>
  new Worker(workerUrl('./verification-worker', import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: YOUNG_MB },
  })

/** All that the pool keeps. */
type PoolState = Required<PoolOptions> & {
  readonly lookUp: DnsLookup
  readonly waiting: FairQueue<MailInPool, string>
  readonly places: Places
  readonly threads: Set<VerificationThread>
  idleTimer: NodeJS.Timeout | undefined
  isClosed: boolean
}

/** Creates the pool. It has no thread yet. */
export function createVerificationPool(lookUp: DnsLookup, options: PoolOptions): VerificationPool {
  const { maxThreads = DEFAULT_THREADS, timeLimitMs = TIME_LIMIT_MS, createWorker = startWorker } = options
  const places = createPlaces({ mails: (MAILS_PER_THREAD * maxThreads) / 2, bytes: BYTES_IN_THREADS / 2 })
  const waiting = createFairQueue<MailInPool, string>({ ...MAX_WAITING, bytesOf: ({ bytes }) => bytes })
  const limits = { maxThreads, timeLimitMs, createWorker }
  const state: PoolState = { ...limits, lookUp, waiting, places, threads: new Set(), idleTimer: undefined, isClosed: false }
  return {
    verify: async (mail, now) => verify(state, mail, now),
    close: async () => {
      state.isClosed = true
      settleWaiting(state, () => true)
      await endThreads(state)
    },
  }
}

function verify(state: PoolState, mail: MailToVerify, now: number): Promise<PartialResults> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => settleWaiting(state, (each) => each === item), WAITING_LIMIT_MS)
    const settle = (results: PartialResults): void => {
      clearTimeout(timer)
      resolve(results)
    }
    const item: MailInPool = { sender: senderOf(mail), bytes: mail.raw.length, mail, now, settle }
    if (state.isClosed || !state.waiting.push(item.sender, item)) return settle(NOTHING_KNOWN)
    dispatch(state)
  })
}

/** Gives waiting mails to threads that have places, starts a thread if there are too few, and ends idle threads later. Idempotent. */
function dispatch(state: PoolState): void {
  const { waiting, places, threads } = state
  for (let thread = freestOf(threads); thread !== null && places.bytes() < BYTES_IN_THREADS; thread = freestOf(threads)) {
    const next = waiting.shift(places.isFreeFor)
    if (next === undefined) break
    const release = places.take(next)
    void thread.verify(next.mail, next.now).then((results) => {
      release()
      next.settle(results)
      dispatch(state)
    })
  }
  const isStarting = [...threads].some((thread) => !thread.hasStarted())
  if (!state.isClosed && waiting.size() > 0 && !isStarting && threads.size < state.maxThreads && freestOf(threads) === null)
    startThread(state)
  clearTimeout(state.idleTimer)
  if (waiting.size() === 0 && places.mails() === 0) state.idleTimer = setTimeout(() => void endThreads(state), IDLE_MS).unref()
}

function startThread(state: PoolState): void {
  const { createWorker, lookUp, timeLimitMs, threads } = state
  const thread = startVerificationThread({
    createWorker,
    lookUp,
    timeLimitMs,
    hintLimitMs: Math.min(HINT_LIMIT_MS, timeLimitMs),
    startLimitMs: START_LIMIT_MS,
    onReady: () => dispatch(state),
    onEnd: () => {
      threads.delete(thread)
      // A thread that cannot start would be started again for ever.
      if (!thread.hasStarted()) settleWaiting(state, () => true)
      dispatch(state)
    },
  })
  threads.add(thread)
}

function settleWaiting({ waiting }: PoolState, test: (mail: MailInPool) => boolean): void {
  for (const mail of waiting.remove(test)) mail.settle(NOTHING_KNOWN)
}

async function endThreads({ threads, idleTimer }: PoolState): Promise<void> {
  clearTimeout(idleTimer)
  await Promise.all([...threads].map(async (thread) => thread.terminate()))
}

type Places = {
  readonly mails: () => number
  readonly bytes: () => number
  readonly isFreeFor: (sender: string) => boolean
  /** The result gives the place back. */
  readonly take: (mail: MailInPool) => () => void
}

type Load = { readonly mails: number; readonly bytes: number }
const NO_LOAD: Load = { mails: 0, bytes: 0 }

/** Counts the mails in the threads and their bytes, also for each sender. A sender may begin a mail below the limits. */
function createPlaces(limitsOfOneSender: Load): Places {
  const bySender = new Map<string, Load>()
  let total = NO_LOAD
  const add = (load: Load, sign: 1 | -1, bytes: number): Load => ({ mails: load.mails + sign, bytes: load.bytes + sign * bytes })
  const change = ({ sender, bytes }: MailInPool, sign: 1 | -1): void => {
    total = add(total, sign, bytes)
    const ofSender = add(bySender.get(sender) ?? NO_LOAD, sign, bytes)
    if (ofSender.mails === 0) bySender.delete(sender)
    else bySender.set(sender, ofSender)
  }
  return {
    mails: () => total.mails,
    bytes: () => total.bytes,
    isFreeFor: (sender) => {
      const { mails, bytes } = bySender.get(sender) ?? NO_LOAD
      return mails < limitsOfOneSender.mails && bytes < limitsOfOneSender.bytes
    },
    take: (mail) => {
      change(mail, 1)
      return () => change(mail, -1)
    },
  }
}

function freestOf(threads: ReadonlySet<VerificationThread>): VerificationThread | null {
  const free = [...threads].filter((thread) => thread.hasStarted() && thread.count() < MAILS_PER_THREAD)
  return free.toSorted((a, b) => a.count() - b.count())[0] ?? null
}

/** A mail without a peer comes from a file or from the store. */
const senderOf = ({ peer }: MailToVerify): string => (peer === null ? '' : clientBlockOf(peer))
