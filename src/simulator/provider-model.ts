/**
 * provider-model - a receiving provider as a sender meets it: what it answers to one attempt
 *
 * In the order of a dialogue: is it there, does it know the address (block list, connections), does it say no to the address or the sender
 * domain just now, is a limit passed with this mail, and only then the mailbox, the grey list and the content. Once it says no, it says so for a time, and
 * each knock meanwhile makes that time longer, up to a bound: that is why a sender should pause. What it takes makes the address known.
 *
 * Pure but for the Standing that one simulation owns; all chance is rolled for the mail (queue/schedule/seeded-random). See also: simulator/provider-file.
 */
import { dayEnd } from '../queue/backoff/provider-day.ts'
import { beginHold, type Hold, knockAt, noHold } from './provider-hold.ts'
import type { LimitRow, Mailboxes, ProviderFile } from './provider-file.ts'
import { roll, rollBetween, SALTS } from '../queue/schedule/seeded-random.ts'
import { createWindow, type Window } from './sliding-window.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** To whom the provider was saying no when the answer came: such an answer is wasted. */
export type No = 'ip' | 'sender-domain' | 'quota' | 'connections' | 'listed' | 'down'

/** One attempt at a provider. `person` is whose mailbox it is, `mail` the number of the mail; `recipient` and `id` fill the texts. */
export type Knock = {
  readonly person: number
  readonly mail: number
  readonly n: number
  readonly at: number
  readonly firstAt: number
  readonly ip: string
  readonly senderDomain: string
  readonly recipient: string
  readonly domain: string
  readonly id: string
  /** Open connections of this address to the provider, this one included. */
  readonly connections: number
  readonly mailboxes: Mailboxes
}

/** What comes back afterwards: a report of failure, a complaint. */
export type Late = { readonly after: number; readonly text: string }

export type Met = {
  /** Null: there was no answer, and `error` says why. */
  readonly text: string | null
  readonly error: 'connect' | 'timeout' | 'dns' | 'dropped' | null
  /** How long it took, in milliseconds. */
  readonly took: number
  /** Null: it was not saying no. */
  readonly refusal: No | null
  readonly report: Late | null
  /** Milliseconds after; `heard` false: the provider knows and tells nobody. */
  readonly complaint: { readonly after: number; readonly heard: boolean } | null
}

/** What a scenario does to a provider. Times are epoch milliseconds. */
export type Weather = {
  readonly outages: readonly { readonly from: number; readonly to: number; readonly how: 'connect' | 'timeout' | 'dns' | 'busy' }[]
  readonly listings: readonly { readonly ip: string; readonly from: number; readonly to: number }[]
  /** Mails that the address has delivered here before the scenario begins. */
  readonly known: ReadonlyMap<string, number>
}

type Count = { readonly hour: Window; day: number; dayEnd: number; readonly hold: Hold }
type Standing = { taken: number; readonly seen: Window; readonly unknown: Window; readonly complaints: Window; readonly hold: Hold }

export type Provider = {
  readonly file: ProviderFile
  readonly seed: number
  readonly weather: Weather
  readonly ips: Map<string, Standing>
  /** By limit, then by address or sender domain. */
  readonly counts: ReadonlyMap<LimitRow, Map<string, Count>>
}

/** A provider that has met nobody. */
export function createProvider(file: ProviderFile, seed: number, weather: Weather): Provider {
  return { file, seed, weather, ips: new Map(), counts: new Map(file.limit.map((limit) => [limit, new Map<string, Count>()])) }
}

/** Answers one attempt and remembers it. */
export function meet(provider: Provider, knock: Knock): Met {
  const { file } = provider
  const down = downAt(provider, knock.at)
  if (down !== null) return unreached(provider, knock, down)
  if (roll(provider.seed, knock.mail, SALTS.drop + 100 * knock.n) < file.pace.drop)
    return failed('dropped', pace(provider, knock, 'refuse'), null)
  const refusal = refusalOf(provider, knock)
  if (refusal !== null) return said(provider, knock, refusal.answer, refusal.kind)
  const { fate, late } = fateOf(provider, knock)
  const passed = passLimits(provider, knock, fate)
  if (passed !== null) return said(provider, knock, passed, null)
  if (isGrey(provider, knock)) return said(provider, knock, file.greylist?.answer ?? '', null)
  if (fate !== 'fine') return said(provider, knock, fate, null)
  return accepted(provider, knock, late)
}

function downAt({ file, weather }: Provider, at: number): Weather['outages'][number]['how'] | null {
  if (file.unreachable !== undefined) return file.unreachable
  return weather.outages.find((each) => each.from <= at && at < each.to)?.how ?? null
}

function unreached(provider: Provider, knock: Knock, how: Weather['outages'][number]['how']): Met {
  if (how === 'busy') return said(provider, knock, 'busy', 'down')
  // A refused connection is known at once; one that nobody answers is waited for.
  return failed(how, how === 'timeout' ? 30_000 : pace(provider, knock, 'refuse'), 'down')
}

const failed = (error: NonNullable<Met['error']>, took: number, refusal: No | null): Met => ({
  text: null,
  error,
  took,
  refusal,
  report: null,
  complaint: null,
})

function pace({ file, seed }: Provider, { mail, n }: Knock, which: 'accept' | 'refuse'): number {
  return Math.round(rollBetween(roll(seed, mail, SALTS.pace + 100 * n), which === 'accept' ? file.pace.accept_ms : file.pace.refuse_ms))
}

function said(provider: Provider, knock: Knock, answer: string, refusal: No | null): Met {
  return { ...failed('dropped', pace(provider, knock, 'refuse'), refusal), error: null, text: wordsOf(provider, knock, answer) }
}

/** The words of an answer, filled in. A report's words are made the same way. */
export function wordsOf(
  { file }: Provider,
  knock: Pick<Knock, 'recipient' | 'domain' | 'senderDomain' | 'ip' | 'id'>,
  answer: string,
): string {
  const text = file.answer[answer]?.text ?? '451 4.3.0 Temporary failure'
  if (!text.includes('{')) return text
  return text
    .replaceAll('{recipient}', knock.recipient)
    .replaceAll('{domain}', knock.domain)
    .replaceAll('{sender}', knock.senderDomain)
    .replaceAll('{ip}', knock.ip)
    .replaceAll('{id}', knock.id)
}

/** The no that stands at this moment; knocking at it makes it longer. */
function refusalOf(provider: Provider, knock: Knock): { readonly answer: string; readonly kind: No } | null {
  const { file, weather } = provider
  const { at, ip } = knock
  if (weather.listings.some((each) => each.ip === ip && each.from <= at && at < each.to)) return { answer: 'listed', kind: 'listed' }
  if (file.connections !== undefined && knock.connections > file.connections.count)
    return { answer: file.connections.answer, kind: 'connections' }
  const { reputation } = file
  if (reputation !== undefined && knockAt(standingOf(provider, ip).hold, at, reputation)) return { answer: reputation.answer, kind: 'ip' }
  for (const limit of file.limit) {
    if (knockAt(countOf(provider, limit, knock).hold, at, limit))
      return { answer: limit.answer, kind: limit.window === 'day' ? 'quota' : limit.key }
  }
  return null
}

function standingOf(provider: Provider, ip: string): Standing {
  const known = provider.ips.get(ip)
  if (known !== undefined) return known
  const window = (): Window => createWindow(24, HOUR_MS)
  const made = { taken: provider.weather.known.get(ip) ?? 0, seen: window(), unknown: window(), complaints: window(), hold: noHold() }
  provider.ips.set(ip, made)
  return made
}

function countOf(provider: Provider, limit: LimitRow, knock: Knock): Count {
  const key = limit.key === 'ip' ? knock.ip : knock.senderDomain
  const known = provider.counts.get(limit)?.get(key)
  if (known !== undefined) return known
  const made = { hour: createWindow(60, MINUTE_MS), day: 0, dayEnd: 0, hold: noHold() }
  provider.counts.get(limit)?.set(key, made)
  return made
}

/** What an address or a domain may send in the window of a limit: a stranger little, and more with every mail that was taken. */
export function allowanceOf(limit: LimitRow, taken: number): number {
  const warmth = limit.warm_after === 0 ? 1 : Math.min(1, taken / limit.warm_after)
  return Math.max(1, Math.round(limit.count * (limit.cold + (1 - limit.cold) * warmth)))
}

/** Counts a mail that it looks at; the answer of the limit that this mail passes, null: none. */
function passLimits(provider: Provider, knock: Knock, fate: string): string | null {
  const { file } = provider
  const { at } = knock
  const standing = standingOf(provider, knock.ip)
  for (const limit of file.limit) {
    const count = countOf(provider, limit, knock)
    if (limit.window === 'day' && at >= count.dayEnd) {
      count.day = 0
      count.dayEnd = dayEnd(at, file.zone)
    }
    const used = limit.window === 'day' ? count.day : count.hour.sum(at)
    if (used < allowanceOf(limit, limit.key === 'ip' ? standing.taken : 0)) continue
    if (limit.window === 'day') count.hold.until = count.dayEnd
    else {
      beginHold(count.hold, at, limit)
      // Its time is the punishment: afterwards it counts anew.
      count.hour.fade(0)
    }
    return limit.answer
  }
  for (const limit of file.limit) {
    const count = countOf(provider, limit, knock)
    count.day += 1
    count.hour.add(at)
  }
  standing.seen.add(at)
  if (fate === 'unknown') standing.unknown.add(at)
  return judge(provider, standing, at)
}

/** Whether what it sends has ruined an address. */
function judge({ file }: Provider, standing: Standing, at: number): string | null {
  const { reputation } = file
  if (reputation === undefined) return null
  const seen = standing.seen.sum(at)
  if (seen < reputation.floor) return null
  const isBad = standing.unknown.sum(at) > seen * reputation.unknown || standing.complaints.sum(at) > seen * reputation.complaints
  if (!isBad) return null
  beginHold(standing.hold, at, reputation)
  // The no is the punishment; what led to it is half forgiven with it, else nothing could ever be delivered again on that day.
  for (const window of [standing.seen, standing.unknown, standing.complaints]) window.fade(0.5)
  return reputation.answer
}

/** What becomes of a mail if the provider has nothing against its sender. `late`: it is taken, and comes back. */
function fateOf(provider: Provider, knock: Knock): { readonly fate: string; readonly late: string | null } {
  const { file, seed } = provider
  const { mailboxes, mail, n } = knock
  const mailbox = mailboxOf(seed, knock)
  if (mailbox === 'unknown' || mailbox === 'disabled') return { fate: mailbox, late: null }
  if (mailbox === 'full' && !hasMadeRoom(seed, knock)) return { fate: 'full', late: null }
  if (roll(seed, mail, SALTS.content) < mailboxes.content) return { fate: 'content', late: null }
  if (roll(seed, mail, SALTS.busy + 100 * n) < mailboxes.busy) return { fate: 'busy', late: null }
  const { late } = file
  if (late === undefined || roll(seed, mail, SALTS.late) >= late.share) return { fate: 'fine', late: null }
  const answer = late.answers[Math.floor(roll(seed, mail, SALTS.lateText) * late.answers.length)]
  return { fate: 'fine', late: answer ?? null }
}

/** What a person's mailbox is like: the same for every mail to it. */
export function mailboxOf(
  seed: number,
  { person, mailboxes }: Pick<Knock, 'person' | 'mailboxes'>,
): 'unknown' | 'disabled' | 'full' | 'good' {
  const unit = roll(seed, person, SALTS.fate)
  const { unknown, disabled, full } = mailboxes
  if (unit < unknown) return 'unknown'
  if (unit < unknown + disabled) return 'disabled'
  return unit < unknown + disabled + full ? 'full' : 'good'
}

/** Who has a full mailbox makes room at some time within four days of the first attempt. */
function hasMadeRoom(seed: number, { person, at, firstAt }: Knock): boolean {
  return at - firstAt > roll(seed, person, SALTS.fateKind) * 4 * DAY_MS
}

function isGrey({ file }: Provider, { at, firstAt, n }: Knock): boolean {
  const { greylist } = file
  if (greylist === undefined) return false
  return n === 1 || at - firstAt < greylist.minutes * MINUTE_MS
}

function accepted(provider: Provider, knock: Knock, late: string | null): Met {
  const { file, seed } = provider
  const { mail } = knock
  const standing = standingOf(provider, knock.ip)
  standing.taken += 1
  const report =
    late === null || file.late === undefined
      ? null
      : {
          after: Math.round(rollBetween(roll(seed, mail, SALTS.lateAt), file.late.minutes) * MINUTE_MS),
          text: wordsOf(provider, knock, late),
        }
  const complains = report === null && file.complaints !== undefined && roll(seed, mail, SALTS.complaint) < file.complaints.share
  if (complains) standing.complaints.add(knock.at)
  return {
    text: wordsOf(provider, knock, 'accepted'),
    error: null,
    took: pace(provider, knock, 'accept'),
    refusal: null,
    report,
    complaint: !complains
      ? null
      : {
          after: Math.round(rollBetween(roll(seed, mail, SALTS.complaintAt), file.complaints?.hours ?? [1, 1]) * HOUR_MS),
          heard: file.complaints?.arf === true,
        },
  }
}
