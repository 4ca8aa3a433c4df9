/**
 * recipients - whom a delivery report speaks of, and what was said of each
 *
 * Order of trust: status groups, X-Failed-Recipients, addresses in the words, an address in the subject, the one
 * address that the returned mail was sent to, the only address in the words wherever it stands. The remote server's own words come before what the reporter made of them.
 *
 * Pure, total, at most 1,000 recipients. See also: mail/dsn/dsn, mail/freeform/reader, mail/report.
 */
import { addressesIn } from '../mime/address.ts'
import type { TextLine } from '../freeform/split-quoted.ts'
import { isTitleOf } from '../freeform/formats.ts'
import type { StatusGroup } from './dsn.ts'
import { type Pair, loneAddress } from '../freeform/reader.ts'
import { ARRIVED, FAILURE, LATE, OVER, REPLY_LINE } from '../freeform/phrases.ts'
import { lastSaid } from '../smtp/reply-search.ts'
import { NO_REPLY, oneLine, parseReply } from '../smtp/reply.ts'
import type { Reply } from '../smtp/reply.ts'
import type { Action, RecipientReport, ReturnedMail } from '../report.ts'

export const MAX_RECIPIENTS = 1_000
/** What a rule reads of one recipient. */
const MAX_TEXT = 2_048
/** What a reply is looked for in. */
const MAX_WORDS = 16_384

export type Material = {
  readonly groups: readonly StatusGroup[]
  readonly pairs: readonly Pair[]
  readonly lines: readonly TextLine[]
  readonly subject: string
  readonly failedRecipients: string | undefined
  readonly returned: ReturnedMail | null
  /** Which addresses (lower case) are the sender's or the reporter's. */
  readonly avoid: (address: string) => boolean
}

/** Reads the recipients out of all that a report offers; one without an address when nobody is named. Total. */
export function recipientsOf(material: Material): readonly RecipientReport[] {
  const all = wordsOf(material.lines)
  if (material.groups.length > 0) {
    const words = material.groups.length > 1 || material.pairs.length > 1 ? '' : all
    return dedupe(material.groups.map((group) => fromGroup(group, { ...material, all, words })))
  }
  const named = namedOf(material)
  const action = actionOf(material.subject, all)
  const only = named.length === 1
  if (named.length === 0) return [fromWords({ recipient: null, original: null, words: all, action })]
  const shared = sharedWords(material)
  return named.map((one) => {
    const own = one.words.join('\n')
    return fromWords({
      recipient: one.address,
      original: one.original,
      words: only ? nearest(own, shared, all) : own === '' ? shared : own,
      first: own,
      said: only ? shared : '',
      action,
    })
  })
}

/** `all`: the report's words; `words`: the same where they can only be about this one recipient. */
type Told = Material & { readonly all: string; readonly words: string }

function fromGroup(group: StatusGroup, material: Told): RecipientReport {
  const { words } = material
  const pair = pairOf(group, material)
  const own = pair?.words.join('\n') ?? ''
  const said = readDiagnostic(group, own === '' ? words : own)
  const rest = said.from === 'diagnostic' && own === '' && isTelling(group.diagnostic) ? '' : own === '' ? words : own
  return {
    recipient: group.final ?? group.original,
    originalRecipient: group.original,
    action: group.action ?? actionOfStatus(group.status, material),
    status: group.status,
    reply: said.reply,
    replyFrom: said.from,
    remoteMta: group.remoteMta ?? said.host,
    text: joinWords(group.diagnostic, rest),
    lastAttemptAt: group.lastAttemptAt,
    willRetryUntil: group.willRetryUntil,
  }
}

/** A diagnostic that says more than a code. */
function isTelling(diagnostic: string): boolean {
  return diagnostic.replace(/[\d.\s;-]/g, '').length > 12
}

function pairOf(group: StatusGroup, material: Material): Pair | undefined {
  const names = [group.final, group.original].filter((name) => name !== null).map((name) => name.toLowerCase())
  const found = material.pairs.find((pair) => names.includes(pair.address.toLowerCase()))
  return found ?? (material.groups.length === 1 && material.pairs.length === 1 ? material.pairs[0] : undefined)
}

type Said = { readonly reply: Reply; readonly from: RecipientReport['replyFrom']; readonly host: string | null }

/** X.4.7 says only that somebody gave up: what the remote server answered last is worth more. */
const GAVE_UP = /^[45]\.4\.7$/

function readDiagnostic(group: StatusGroup, words: string): Said {
  const reply = group.diagnostic === '' ? NO_REPLY : parseReply(group.diagnostic)
  const isSaid = reply.code !== null || reply.status !== null
  if (isSaid && !isGivenUp(reply)) return { reply, from: 'diagnostic', host: null }
  const inside = isSaid ? lastSaid(group.diagnostic.slice(group.diagnostic.indexOf('4.7') + 3)) : null
  if (inside !== null && !isGivenUp(inside.reply) && inside.reply.code !== null)
    return { reply: inside.reply, from: 'diagnostic', host: inside.host }
  const found = words === '' ? null : lastSaid(words.slice(0, MAX_WORDS))
  if (found !== null && !isGivenUp(found.reply)) return { reply: found.reply, from: 'text', host: found.host }
  if (isSaid || reply.text !== '') return { reply, from: 'diagnostic', host: null }
  return { reply: NO_REPLY, from: 'none', host: null }
}

function isGivenUp(reply: Reply): boolean {
  return reply.status !== null && GAVE_UP.test(reply.status)
}

function actionOfStatus(status: string | null, material: Told): Action {
  if (status?.startsWith('2')) return 'delivered'
  return status?.startsWith('4') ? actionOf(material.subject, material.all) : 'failed'
}

/** What the words say became of the mail. */
function actionOf(subject: string, all: string): Action {
  const words = `${subject}\n${all.slice(0, 4_096)}`
  if (LATE.test(words) && !OVER.test(words)) return 'delayed'
  return ARRIVED.test(words) && !OVER.test(words) ? 'delivered' : 'failed'
}

type Named = Pick<Pair, 'address' | 'original' | 'words'>

function namedOf(material: Material): readonly Named[] {
  const header =
    material.failedRecipients === undefined ? [] : addressesIn(material.failedRecipients, MAX_RECIPIENTS).map((one) => one.address)
  if (header.length > 0) return byHeader([...new Set(header)], material.pairs)
  if (material.pairs.length > 0) return material.pairs.slice(0, MAX_RECIPIENTS)
  const inSubject = addressesIn(material.subject, 2)
  if (inSubject.length === 1) return inSubject.map(bare)
  const to = material.returned?.to ?? []
  if (to.length === 1) return to.map((address) => bare({ address }))
  const lone = loneAddress(material.lines, material.avoid)
  return lone === null ? [] : [bare({ address: lone })]
}

function bare(one: { readonly address: string }): Named {
  return { address: one.address, original: null, words: [] }
}

/** The header names them; the words say what became of each, and may name more. */
function byHeader(header: readonly string[], pairs: readonly Pair[]): readonly Named[] {
  const rest = new Map(pairs.map((pair) => [pair.address.toLowerCase(), pair] as const))
  const out: Named[] = []
  for (const address of header) {
    const key = address.toLowerCase()
    const pair = rest.get(key) ?? [...rest.values()].find((one) => one.original?.toLowerCase() === key)
    if (pair !== undefined) rest.delete(pair.address.toLowerCase())
    out.push(pair ?? bare({ address }))
  }
  return out
}

/** What stands by the only recipient and in sections of diagnostics, if that tells of a failure; else all words. */
function nearest(own: string, shared: string, all: string): string {
  const near = `${own}\n${shared}`.trim()
  return own.length + shared.length > 15 && (FAILURE.test(near) || REPLY_LINE.test(near)) ? near : all
}

type WordsOf = { recipient: string | null; original: string | null; words: string; first?: string; said?: string; action: Action }

function fromWords(of: WordsOf): RecipientReport {
  const found = lastSaid((of.said ?? '').slice(0, MAX_WORDS)) ?? lastSaid(of.words.slice(0, MAX_WORDS))
  return {
    recipient: of.recipient,
    originalRecipient: of.original,
    action: of.action,
    status: null,
    reply: found?.reply ?? NO_REPLY,
    replyFrom: found === null ? 'none' : 'text',
    remoteMta: found?.host ?? null,
    text: joinWords(of.first ?? '', of.words),
    lastAttemptAt: null,
    willRetryUntil: null,
  }
}

/** Words for the rules: what stands nearest to the recipient first; nothing twice. */
function joinWords(first: string, rest: string): string {
  const near = oneLine(first.slice(0, MAX_WORDS))
  const far = oneLine(rest.slice(0, MAX_WORDS))
  if (near === '' || far.startsWith(near)) return far.slice(0, MAX_TEXT)
  if (far === '' || near.includes(far)) return near.slice(0, MAX_TEXT)
  return `${near} ${far.replace(near, '')}`.slice(0, MAX_TEXT)
}

/** The report's words without greetings and good advice. */
function wordsOf(lines: readonly TextLine[]): string {
  const kept: string[] = []
  let size = 0
  let isOff = false
  for (const line of lines) {
    for (const mark of line.marks) isOff = mark.role === 'stops' || mark.role === 'sender'
    if (line.text.trim() === '') {
      if (kept.length > 0 && kept[kept.length - 1] !== '') kept.push('')
      continue
    }
    if (isOff) continue
    kept.push(line.text)
    size += line.text.length
    if (size > MAX_WORDS) break
  }
  return kept.join('\n')
}

/** What stands in sections of diagnostics, for reports that name several recipients and one reason. */
function sharedWords(material: Material): string {
  const kept: string[] = []
  let isOn = false
  for (const line of material.lines) {
    const isTitle = line.marks.some((mark) => isTitleOf(line.text, mark))
    for (const mark of line.marks) {
      if (mark.role === 'details') isOn = true
      else if (mark.role === 'stops' || (mark.role !== 'knows' && isTitle)) isOn = false
    }
    if (isOn && kept.length < 100 && !isTitle) kept.push(line.text)
  }
  return kept.join('\n').trim()
}

/** One report a recipient: a report may list it twice, once for each attempt; failed wins over the rest, then the last. */
function dedupe(reports: readonly RecipientReport[]): readonly RecipientReport[] {
  const byAddress = new Map<string, RecipientReport>()
  for (const report of reports) {
    const key = (report.recipient ?? '').toLowerCase()
    const before = byAddress.get(key)
    if (before === undefined || before.action !== 'failed' || report.action === 'failed')
      byAddress.set(key, before !== undefined && before.replyFrom === 'diagnostic' && report.replyFrom === 'none' ? before : report)
  }
  return [...byAddress.values()].slice(0, MAX_RECIPIENTS)
}
