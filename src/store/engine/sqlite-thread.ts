/**
 * sqlite-thread - a worker thread with one SQLite connection, as promises
 *
 * Operations that are asked for in the same tick travel in one message. A thread that dies takes its unanswered operations with
 * it (Fault store_busy: the remote server, or the client, tries again), and the next operation starts a new one: the file itself
 * recovers at opening.
 *
 * See also: store/engine/sqlite-worker (the other end), store/engine/sqlite (who asks).
 */
import { Worker } from 'node:worker_threads'
import { Fault } from '../../errors.ts'
import { createPacker, createUnpacker } from './message-packing.ts'
import type { Packer } from './message-packing.ts'
import type { Answer, Failure, Mail, Operation, Response, Statement, WorkerSettings } from './sqlite-worker.ts'
import type { Row, Value } from './value.ts'

/** What the caller wants: as Operation, with its values not yet packed. */
export type Wish =
  | { readonly verb: 'begin' | 'commit' | 'rollback' | 'scrub' }
  | {
      readonly verb: 'rows' | 'run' | 'loop'
      readonly sql: string
      readonly width: number
      readonly pack?: readonly number[]
      readonly values: readonly Value[]
    }

export type Result = { readonly rows: readonly Row[]; readonly changes: number }

export type Thread = {
  /** Throws Fault store_busy, conflict or internal. */
  ask(wish: Wish): Promise<Result>
  close(): Promise<void>
}

type Waiting = { readonly wish: Wish; readonly resolve: (result: Result) => void; readonly reject: (error: unknown) => void }

/** The number of a statement; `told`: the thread has run it and knows it by that number. A text may be 3 KB long, and a batch has a dozen. */
type Name = { readonly number: number; told: boolean }

type Running = { readonly worker: Worker; readonly sent: Waiting[][]; readonly names: Map<string, Name> }

/** SQLite's primary result codes that may heal: busy, locked, no memory, read only, I/O error, disk full, cannot open. */
const MAY_HEAL: readonly number[] = [5, 6, 7, 8, 10, 13, 14]
const CONSTRAINT = 19

/** The Fault for what SQLite said. The primary code is the low byte of the extended one. */
export function faultOf(failure: Failure): Fault {
  const primary = failure.code & 0xff
  const detail = { sqlite: failure.code }
  if (MAY_HEAL.includes(primary)) return new Fault('store_busy', `the store cannot do this now: ${failure.message}`, { detail })
  if (primary === CONSTRAINT) return new Fault('conflict', `the store already holds this or forbids it: ${failure.message}`, { detail })
  return new Fault('internal', `the store failed: ${failure.message}`, { detail })
}

/** In megabytes. The thread makes only short-lived values; a small nursery is swept often and gives the bytes of mails back soon. */
const YOUNG_LIMIT = 8

const startWorker = (settings: WorkerSettings): Worker =>
  new Worker(new URL('./sqlite-worker.ts', import.meta.url), {
    workerData: settings,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_LIMIT },
  })

/** Starts the thread at the first wish, and again at the first one after its death. */
export function createThread(settings: WorkerSettings, begin: (settings: WorkerSettings) => Worker = startWorker): Thread {
  let running: Running | null = null
  let closed = false
  let queued: Waiting[] = []

  const start = (): Running => {
    const worker = begin(settings)
    const fresh: Running = { worker, sent: [], names: new Map() }
    const lose = (cause: unknown): void => {
      if (running === fresh) running = null
      const fault = new Fault('store_busy', `the store's thread ended: ${messageOf(cause)}`, { cause })
      for (const waiting of fresh.sent.splice(0).flat()) waiting.reject(fault)
    }
    worker.on('message', (response: Response) => settle(fresh, response))
    worker.on('error', lose)
    worker.on('exit', (code) => lose(new Error(`exit code ${code}`)))
    return fresh
  }

  const flush = (): void => {
    const batch = queued
    queued = []
    const now = (running ??= start())
    now.sent.push(batch)
    const packer = createPacker()
    const operations = batch.map(({ wish }) => pack(wish, packer, now.names))
    post(now.worker, { chained: !settings.readOnly, operations, blob: packer.blob() })
  }

  return {
    ask(wish) {
      if (closed) return Promise.reject(new Fault('store_busy', 'the store is closed'))
      return new Promise((resolve, reject) => {
        if (queued.push({ wish, resolve, reject }) === 1) queueMicrotask(flush)
      })
    },
    async close() {
      if (closed) return
      closed = true
      // What was asked for in this very tick still goes first.
      await Promise.resolve()
      const last = running
      if (last === null) return
      const ended = new Promise<void>((resolve) => last.worker.once('exit', () => resolve()))
      post(last.worker, null)
      await ended
    },
  }
}

function post(worker: Worker, mail: Mail): void {
  // What is empty need not change hands: that costs more than a copy.
  worker.postMessage(mail, mail === null || mail.blob.byteLength === 0 ? [] : [mail.blob.buffer as ArrayBuffer])
}

function pack(wish: Wish, packer: Packer, names: Map<string, Name>): Operation {
  if (!('sql' in wish)) return wish
  return {
    verb: wish.verb,
    statement: statementOf(wish.sql, names),
    width: wish.width,
    pack: wish.pack ?? [],
    packed: packer.add(wish.values),
  }
}

/** Beyond so many, which only the filters of lists could make, texts go over as they are. */
const MAX_KNOWN = 400

function statementOf(sql: string, names: Map<string, Name>): Statement {
  const name = names.get(sql)
  if (name !== undefined) return name.told ? name.number : { sql, number: name.number }
  if (names.size >= MAX_KNOWN) return { sql, number: null }
  const number = names.size
  names.set(sql, { number, told: false })
  return { sql, number }
}

function settle({ sent, names }: Running, response: Response): void {
  const batch = sent.shift() ?? []
  const unpack = createUnpacker(response.blob)
  batch.forEach((waiting, i) => {
    const answer = response.answers[i]
    if (answer === undefined) return waiting.reject(new Fault('internal', "the store's thread gave no answer"))
    if ('failure' in answer) return waiting.reject(faultOf(answer.failure))
    const name = 'sql' in waiting.wish ? names.get(waiting.wish.sql) : undefined
    if (name !== undefined) name.told = true
    return waiting.resolve('changes' in answer ? { rows: [], changes: answer.changes } : { rows: rowsOf(answer, unpack), changes: 0 })
  })
}

function rowsOf(answer: Extract<Answer, { columns: unknown }>, unpack: ReturnType<typeof createUnpacker>): Row[] {
  const { columns } = answer
  const values = unpack(answer.packed)
  const rows: Row[] = []
  for (let at = 0; at < values.length; at += columns.length) {
    const row: Record<string, Value> = {}
    columns.forEach((name, i) => (row[name] = values[at + i] ?? null))
    rows.push(row)
  }
  return rows
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
