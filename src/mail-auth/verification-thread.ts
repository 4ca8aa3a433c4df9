/**
 * verification-thread - one thread that verifies mails, seen from the parent: its mails, their DNS queries and their time limits
 *
 * When the time of a mail is over, its DNS queries are cancelled, so that the thread can finish. If it does not within the same time again, it is
 * busy with a mail and is terminated, with all of its mails. Either way nothing of a mail remains: no query, no timer, no bytes.
 *
 * See also: mail-auth/verification-worker (the thread), mail-auth/verification-pool (which mails it gets), net/dns.
 */
import type { Worker } from 'node:worker_threads'
import { z } from 'zod'
import type { DnsLookup } from '../net/dns.ts'
import type { AuthenticationResults, MailToVerify } from './verify-signatures.ts'

export type ToWorker =
  | { readonly kind: 'verify'; readonly id: number; readonly mail: MailToVerify; readonly now: number }
  | { readonly kind: 'records'; readonly query: number; readonly records: string[][] | string[] }
  | { readonly kind: 'failure'; readonly query: number; readonly code: string }

/** What is known of a mail. `isComplete`: the thread has finished with it; else the rest is unknown. */
export type PartialResults = { readonly parts: Partial<AuthenticationResults>; readonly isComplete: boolean }

export type VerificationThread = {
  /** Never rejects. */
  readonly verify: (mail: MailToVerify, now: number) => Promise<PartialResults>
  /** Whether the thread has loaded its libraries. Stays true when it has ended. */
  readonly hasStarted: () => boolean
  /** The mails that it verifies now. */
  readonly count: () => number
  /** Ends the thread; its mails end with what is known of them. Idempotent. */
  readonly terminate: () => Promise<void>
}

type ThreadOptions = {
  readonly createWorker: () => Worker
  readonly lookUp: DnsLookup
  readonly timeLimitMs: number
  /** The time for SPF and ARC after the signatures are verified: they are only hints. */
  readonly hintLimitMs: number
  /** The time in which the thread must start. */
  readonly startLimitMs: number
  readonly onReady: () => void
  /** Called once, when the thread has ended. */
  readonly onEnd: () => void
}

type MailInThread = {
  readonly results: { dkim?: AuthenticationResults['dkim']; spf?: AuthenticationResults['spf']; arc?: AuthenticationResults['arc'] }
  readonly abort: AbortController
  readonly settle: (isComplete: boolean) => void
  timer: NodeJS.Timeout | undefined
  queries: number
  readonly openQueries: Set<number>
}

/** Ten signatures, ten ARC seals, and the ten look-ups that SPF may cause (RFC 7208 §4.6.4), some of which need several queries. */
const MAX_QUERIES = 60

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null
const id = z.int()
const fromWorker = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready') }),
  z.object({ kind: z.literal('look-up'), id, query: z.int(), name: z.string(), type: z.string() }),
  // The parts were made by our own code in the thread, from its own types.
  z.object({ kind: z.literal('part'), id, part: z.custom<Partial<AuthenticationResults>>(isObject) }),
  z.object({ kind: z.literal('done'), id }),
])

/** All that one thread keeps in the parent. */
type ThreadState = ThreadOptions & {
  readonly worker: Worker
  readonly mails: Map<number, MailInThread>
  hasStarted: boolean
  isEnded: boolean
  lastId: number
  startTimer: NodeJS.Timeout | undefined
}

/** Starts a thread. */
export function startVerificationThread(options: ThreadOptions): VerificationThread {
  const worker = options.createWorker()
  const state: ThreadState = { ...options, worker, mails: new Map(), hasStarted: false, isEnded: false, lastId: 0, startTimer: undefined }
  state.startTimer = setTimeout(() => void terminate(state), options.startLimitMs)
  worker.unref()
  worker.on('message', (message) => receive(state, message))
  worker.on('error', () => end(state))
  worker.on('exit', () => end(state))
  return {
    verify: async (mail, now) => verify(state, mail, now),
    hasStarted: () => state.hasStarted,
    count: () => state.mails.size,
    terminate: async () => terminate(state),
  }
}

function verify(state: ThreadState, mail: MailToVerify, now: number): Promise<PartialResults> {
  return new Promise((resolve) => {
    const mailId = ++state.lastId
    const settle = (isComplete: boolean): void => {
      if (!state.mails.delete(mailId)) return
      clearTimeout(inThread.timer)
      endQueries(state, inThread)
      resolve({ parts: inThread.results, isComplete })
    }
    const abort = new AbortController()
    const inThread: MailInThread = { results: {}, abort, settle, timer: undefined, queries: 0, openQueries: new Set() }
    state.mails.set(mailId, inThread)
    if (state.isEnded) return settle(false)
    limitTime(state, inThread, mail.raw.length === 0 ? state.hintLimitMs : state.timeLimitMs)
    // One copy, which the thread then owns: the mail itself is still needed here.
    const raw = Uint8Array.from(mail.raw)
    send(state, { kind: 'verify', id: mailId, mail: { ...mail, raw }, now }, [raw.buffer])
  })
}

function receive(state: ThreadState, raw: unknown): void {
  const { data: message } = fromWorker.safeParse(raw)
  if (message === undefined) return void terminate(state)
  if (message.kind === 'ready') {
    clearTimeout(state.startTimer)
    state.hasStarted = true
    return state.onReady()
  }
  const mail = state.mails.get(message.id)
  if (mail === undefined) return
  if (message.kind === 'look-up') lookUp(state, mail, message)
  else if (message.kind === 'done') mail.settle(true)
  else {
    Object.assign(mail.results, message.part)
    if (message.part.dkim !== undefined) limitTime(state, mail, state.hintLimitMs)
  }
}

type DnsQuestion = { readonly query: number; readonly name: string; readonly type: string }

function lookUp(state: ThreadState, mail: MailInThread, { query, name, type }: DnsQuestion): void {
  mail.queries += 1
  if (mail.queries > MAX_QUERIES || mail.abort.signal.aborted) return send(state, { kind: 'failure', query, code: 'ECANCELLED' })
  mail.openQueries.add(query)
  state.lookUp(name, type, mail.abort.signal).then(
    (records) => mail.openQueries.delete(query) && send(state, { kind: 'records', query, records }),
    (error: unknown) => mail.openQueries.delete(query) && send(state, { kind: 'failure', query, code: codeOf(error) }),
  )
}

function endQueries(state: ThreadState, mail: MailInThread): void {
  mail.abort.abort()
  for (const query of mail.openQueries) send(state, { kind: 'failure', query, code: 'ECANCELLED' })
  mail.openQueries.clear()
}

/** Two steps: first the queries end, and if that does not help, the thread. */
function limitTime(state: ThreadState, mail: MailInThread, limitMs: number): void {
  clearTimeout(mail.timer)
  mail.timer = setTimeout(() => {
    endQueries(state, mail)
    mail.timer = setTimeout(() => void terminate(state), state.timeLimitMs)
  }, limitMs)
}

function send(state: ThreadState, message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
  if (!state.isEnded) state.worker.postMessage(message, transfer)
}

async function terminate(state: ThreadState): Promise<void> {
  end(state)
  await state.worker.terminate()
}

function end(state: ThreadState): void {
  if (state.isEnded) return
  state.isEnded = true
  clearTimeout(state.startTimer)
  for (const mail of state.mails.values()) mail.settle(false)
  state.onEnd()
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : null
  return typeof code === 'string' ? code : 'EFAIL'
}
