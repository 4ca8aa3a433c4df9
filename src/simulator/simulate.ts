/**
 * simulate - a simulation: a queue of the product, providers that answer it, and a clock that only ever goes forward
 *
 * The queue is asked what may leave now, each attempt meets its provider, and the answer is heard when it has taken its time; reports and
 * complaints come back later. What becomes of a mail is the ledger's word. The same scenario, policy and seed give the same run, to the byte.
 *
 * Pure but for the values that it makes and owns. See also: simulator/scenario, simulator/provider-model, simulator/attempt-reading, simulator/memory-ledger, simulator/metrics.
 */
import type { Verdict } from '../classify/verdict.ts'
import { knowAddress } from '../correlate/address-hash.ts'
import { answer, report as tellQueue } from '../queue/schedule/attempt-result.ts'
import { bookAttempt, bookGiveUp, bookReport, forget, mailIdOf, register, rowOf, settle } from './memory-ledger.ts'
import { type Post, startOf } from './providers-in-scenario.ts'
import { arfOf, ndrOf, readAnswer, unreachedVerdict } from './attempt-reading.ts'
import type { Dispatch, HeldBy, QueueEvent } from '../queue/message.ts'
import { mailboxOf, meet, type Met } from './provider-model.ts'
import { nextDispatch, nextWake, offer, operate } from '../queue/queue.ts'
import { countMail, countTransitions, countUp, type Score, stepAt } from './metrics.ts'
import { type Happening, type Letter, type Play, setUp, type Setup } from './run-state.ts'

const HOUR_MS = 3_600_000

/** What a run leaves behind: the score, and what the ledger's own counters add up to. */
export type Outcome = { readonly score: Score; readonly totals: ReadonlyMap<string, number>; readonly endedAt: number }

/** Plays a scenario to its end. Throws what a broken set-up makes the queue throw; nothing else. */
export function simulate(setup: Setup): Outcome {
  const play = setUp(setup)
  const end = startOf(setup.scenario) + setup.scenario.hours * HOUR_MS
  const total = setup.scenario.campaign.reduce((sum, { mails }) => sum + mails, 0)
  let now = startOf(setup.scenario)
  for (;;) {
    // Of one moment everything happens first: then it is decided what leaves.
    if ((play.agenda.soonest() ?? Number.POSITIVE_INFINITY) > now) send(play, now)
    const next = play.agenda.take()
    if (next === null || next.at > end) break
    now = next.at
    setup.onMoment?.(now)
    happen(play, next.what, now)
    if (play.done % 1_000 === 0) setup.onProgress?.(play.done, total)
  }
  for (const letter of play.letters.values()) close(play, letter)
  settle(play.books)
  return { score: play.score, totals: play.books.totals, endedAt: now }
}

function happen(play: Play, what: Happening, now: number): void {
  switch (what.kind) {
    case 'submit':
      return submit(play, what.campaign, now)
    case 'wake':
      play.wakeAt = Number.POSITIVE_INFINITY
      return
    case 'answer':
      return hear(play, what, now)
    case 'report':
      return hearReport(play, what, now)
    case 'complaint':
      return hearComplaint(play, what, now)
    case 'recover':
      return follow(play, operate(play.queue, { kind: 'recover-key', key: what.key, how: 'immediate' }, now), now)
  }
}

/** Lets go what may leave at this moment, and says when to look again. */
function send(play: Play, now: number): void {
  const { queue, setup } = play
  const capacity = setup.scenario.sender.connections - play.inFlight
  if (capacity > 0) {
    const { dispatches, events } = nextDispatch(queue, now, capacity)
    follow(play, events, now)
    for (const dispatch of dispatches) attempt(play, dispatch, now)
  }
  const wake = nextWake(queue, now)
  if (wake === null || wake >= play.wakeAt || play.inFlight >= setup.scenario.sender.connections) return
  play.wakeAt = Math.max(wake, now + 1)
  play.agenda.put(play.wakeAt, { kind: 'wake' })
}

/** Hands the next mail of a campaign to the queue, unless one of our lists answers. */
function submit(play: Play, campaign: number, now: number): void {
  const plan = play.campaigns[campaign]
  const n = play.next[campaign] ?? 0
  if (plan === undefined) return
  play.next[campaign] = n + 1
  if (n + 1 < plan.size) play.agenda.put(plan.atOf(n + 1), { kind: 'submit', campaign })
  const draft = plan.draft(n)
  const post = play.posts.get(draft.provider)
  const address = knowAddress(draft.recipient)
  if (post === undefined || address === null) return
  const number = (play.score.mails += 1)
  const { account, person, recipient, domain, mailboxes } = draft
  const id = mailIdOf(now, account, number)
  const letter: Letter = {
    id,
    number,
    account,
    person,
    recipient,
    domain,
    post,
    mailboxes,
    at: now,
    firstAt: now,
    ended: false,
    pending: 0,
  }
  play.letters.set(id, letter)
  post.score.mails += 1
  if (!register(play.books, { id, account, at: now, address, site: post.site.site })) {
    post.score.listed += 1
    letter.ended = true
    close(play, letter)
    return
  }
  stepAt(play.score, post.score, now).handed += 1
  offer(play.queue, { ...destinationOf(play, letter), id, acceptedAt: now, attempts: 0, dueAt: 0 }, now)
}

function destinationOf(
  { setup }: Play,
  { account, domain, post }: Letter,
): { account: number; domain: string; senderDomain: string; site: string; gateway: boolean; mxSet: string } {
  const { site, gateway } = post.site
  return { account, domain, senderDomain: setup.scenario.sender.domain, site, gateway, mxSet: post.provider.file.mx }
}

const lineOf = (ip: string, post: Post): string => `${ip} ${post.provider.file.name}`

/** One attempt begins: the provider sees it now, and we hear its answer when it has taken its time. */
function attempt(play: Play, dispatch: Dispatch, now: number): void {
  const letter = play.letters.get(dispatch.mailId)
  if (letter === undefined) return
  const { post } = letter
  const line = lineOf(dispatch.egressIp, post)
  play.inFlight += 1
  countUp(play.connections, line)
  if (dispatch.attempt === 1) letter.firstAt = now
  const met = meet(post.provider, {
    person: letter.person,
    mail: letter.number,
    n: dispatch.attempt,
    at: now,
    firstAt: letter.firstAt,
    ip: dispatch.egressIp,
    senderDomain: dispatch.senderDomain,
    recipient: letter.recipient,
    domain: letter.domain,
    id: letter.id,
    connections: play.connections.get(line) ?? 1,
    mailboxes: letter.mailboxes,
  })
  play.score.attempts += 1
  post.score.attempts += 1
  if (met.refusal !== null) {
    countUp(post.score.wasted, met.refusal)
    stepAt(play.score, post.score, now).wasted += 1
  }
  play.agenda.put(now + Math.max(1, met.took), { kind: 'answer', dispatch, letter, met })
}

/** The answer is in. */
function hear(play: Play, { dispatch, letter, met }: { dispatch: Dispatch; letter: Letter; met: Met }, now: number): void {
  const { post } = letter
  play.inFlight -= 1
  countUp(play.connections, lineOf(dispatch.egressIp, post), -1)
  const said = readAnswer(play.read, play.zones, { met, dispatch, mx: post.provider.file.mx })
  const events = answer(play.queue, dispatch.number, said.answer, now)
  const end = events.find((event) => event.kind === 'mail.ended' && event.mailId === letter.id)
  const final = end?.kind === 'mail.ended' && end.end !== 'given-up'
  bookAttempt(play.books, letter.id, { heard: { ...said.heard, final }, verdict: said.verdict, at: now })
  if (said.verdict === null) take(play, { letter, met, ip: dispatch.egressIp }, now)
  else if (!final) stepAt(play.score, post.score, now).deferred += 1
  follow(play, events, now)
}

/** A 250: what comes back later is put down. */
function take(play: Play, { letter, met, ip }: { letter: Letter; met: Met; ip: string }, now: number): void {
  const { score } = letter.post
  stepAt(play.score, score, now).delivered += 1
  score.delays += 1
  score.delayMs += now - letter.at
  if (met.report !== null) {
    letter.pending += 1
    play.agenda.put(now + met.report.after, { kind: 'report', letter, text: met.report.text })
  }
  if (met.complaint?.heard === true) {
    letter.pending += 1
    play.agenda.put(now + met.complaint.after, { kind: 'complaint', letter, ip })
  }
}

/** What the queue says has happened. */
function follow(play: Play, events: readonly QueueEvent[], now: number): void {
  countTransitions(play.score, events)
  for (const event of events) {
    if (event.kind === 'queue.paused' && event.nextSendingAt === null)
      play.agenda.put(now + play.setup.scenario.sender.operator_hours * HOUR_MS, { kind: 'recover', key: event.key })
    const letter = event.kind === 'mail.ended' ? play.letters.get(event.mailId) : undefined
    if (event.kind !== 'mail.ended' || letter === undefined) continue
    if (event.end === 'given-up') bookGiveUp(play.books, letter.id, { held: heldVerdict(play, letter, event.heldBy), at: now })
    letter.ended = true
    ended(play, letter, now)
    if (letter.pending === 0) close(play, letter)
  }
}

/** Why a mail waited that was never answered, as what its key was told last would have been read for the mail itself. */
function heldVerdict(play: Play, { post, domain }: Letter, heldBy: HeldBy | null): Verdict | null {
  if (heldBy === null || heldBy.class === null) return null
  const from = { mx: post.provider.file.mx, domain }
  return heldBy.class === 'network' ? unreachedVerdict(play.read, from, 'connect') : play.read(heldBy.reply?.text ?? '', from).verdict
}

/** The queue has done with a mail. Who waits for a full mailbox waits for nobody's pause. */
function ended(play: Play, letter: Letter, now: number): void {
  const { score, provider } = letter.post
  play.done += 1
  stepAt(play.score, score, now).ended += 1
  score.endedAt = Math.max(score.endedAt, now)
  const isPatient = provider.file.unreachable !== undefined || mailboxOf(provider.seed, letter) === 'full'
  if (!isPatient) score.drainedAt = Math.max(score.drainedAt, now)
}

function hearReport(play: Play, { letter, text }: { letter: Letter; text: string }, now: number): void {
  const { file } = letter.post.provider
  const from = file.late?.from ?? ''
  const report = ndrOf(letter.recipient, { text, from, mx: file.mx })
  const { verdict } = play.read(text, { mx: file.mx, domain: letter.domain })
  letter.post.score.reports += 1
  bookReport(play.books, letter.id, { report, verdict, at: now })
  if (verdict.reason === 'not-exist' && verdict.permanence === 'permanent') tell(play, letter, 'not-exist', now)
  arrived(play, letter)
}

function hearComplaint(play: Play, { letter, ip }: { letter: Letter; ip: string }, now: number): void {
  const report = arfOf(letter.recipient, { from: letter.post.provider.file.complaints?.from ?? '', ip })
  letter.post.score.complaints += 1
  bookReport(play.books, letter.id, { report, verdict: null, at: now })
  tell(play, letter, 'complaint', now)
  arrived(play, letter)
}

/** The queue hears of what says something about an account's list. */
function tell(play: Play, { account }: Letter, kind: 'not-exist' | 'complaint', now: number): void {
  follow(play, tellQueue(play.queue, { kind, account }, now), now)
}

function arrived(play: Play, letter: Letter): void {
  letter.pending -= 1
  if (letter.ended && letter.pending === 0) close(play, letter)
}

/** Nothing can happen to a mail any more: it is counted, and forgotten. */
function close(play: Play, letter: Letter): void {
  const row = rowOf(play.books, letter.id)
  if (row !== null) countMail(letter.post.score, row)
  forget(play.books, letter.id)
  play.letters.delete(letter.id)
}
