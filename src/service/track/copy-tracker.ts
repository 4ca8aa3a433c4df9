/**
 * copy-tracker - tracks the copies of a composition: the same places in every copy, each with links of its own
 *
 * The places are found once and kept as long as the composition is, while the content of its copies is the same. Content with variables
 * differs from copy to copy, so its places are found for each.
 *
 * See also: tracking/mail-edits, service/deliver/render, service/track/tracking-base.
 */
import type { Composition } from '../../compose/composition.ts'
import { splitHeaderFields, type HeaderFieldLine } from '../../compose/header-line.ts'
import { fillTracking, isSignedBySender, planTracking, type TrackingPlan } from '../../tracking/mail-edits.ts'
import { UNSUBSCRIBE_PLACEHOLDER } from '../../tracking/text-edits.ts'
import type { CopyTokens } from '../../tracking/tracking-slot.ts'
import { resolveTrackingSwitches, type TrackingSwitches } from '../../tracking/tracking-switches.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { Context } from '../context.ts'
import { signCopyTokens, type TokenClaims } from '../submit/mail-tokens.ts'

/** The MIME fields of a mail with their line ends, and its body. */
type Content = { readonly contentFields: string; readonly body: Buffer }

export type CopyTracker = {
  /** The tracked content of this copy; null: nothing changes. */
  readonly trackContent: (content: Content) => Content | null
  /** The tracked copy of a whole mail with CRLF line ends; the mail itself if nothing changes. */
  readonly trackMail: (mail: Buffer) => Buffer
}

/** What the places of a composition were found in. */
type KnownPlan = { readonly key: string; readonly content: Buffer; readonly plan: TrackingPlan | null }

type CopyOptions = {
  readonly snapshot: AccountSnapshot
  readonly account: number
  readonly claims: TokenClaims
  readonly base: string | null
}

/** Returns the tracker of a copy; null: nothing of it is tracked. */
type FindCopyTracker = (body: Composition, options: CopyOptions) => CopyTracker | null

export function createCopyTrackers(context: Context): FindCopyTracker {
  const plans = new WeakMap<Composition, KnownPlan>()
  return (body, { snapshot, account, claims, base }) => {
    if (base === null) return null
    const switches = resolveTrackingSwitches(snapshot.settingsOf(account), body)
    if (!mayChange(body, switches)) return null
    const planOf = (content: Buffer): TrackingPlan | null => {
      const key = JSON.stringify([base, switches])
      const known = plans.get(body)
      if (known !== undefined && known.key === key && known.content.equals(content)) return known.plan
      const plan = planTracking(content, { switches, base })
      plans.set(body, { key, content, plan })
      return plan
    }
    const trackContent = createContentTracker(planOf, () => signCopyTokens(snapshot, context.domains, claims))
    return { trackContent, trackMail: (mail) => trackMail(mail, trackContent) }
  }
}

/** A mail that the sender built may contain the placeholder in any encoding. */
function mayChange({ html, plain, raw, sections }: Composition, { open, click, unsubscribeFooter }: TrackingSwitches): boolean {
  if (open || click || unsubscribeFooter || raw !== null) return true
  return [html, plain, ...Object.values(sections)].some((text) => text?.includes(UNSUBSCRIBE_PLACEHOLDER))
}

function createContentTracker(planOf: (content: Buffer) => TrackingPlan | null, signTokens: () => CopyTokens): CopyTracker['trackContent'] {
  return ({ contentFields, body }) => {
    const head = Buffer.from(`${contentFields}\r\n`, 'latin1')
    const plan = planOf(Buffer.concat([head, body]))
    if (plan === null) return null
    const tracked = fillTracking(plan, signTokens())
    if (tracked.subarray(0, head.length).equals(head)) return { contentFields, body: tracked.subarray(head.length) }
    const end = tracked.indexOf('\r\n\r\n')
    return { contentFields: tracked.toString('latin1', 0, end + 2), body: tracked.subarray(end + 4) }
  }
}

const isContentField = ({ name }: HeaderFieldLine): boolean => name.startsWith('content-')
const joinFields = (fields: readonly HeaderFieldLine[]): string => fields.map(({ text }) => `${text}\r\n`).join('')

function trackMail(mail: Buffer, trackContent: CopyTracker['trackContent']): Buffer {
  const end = mail.indexOf('\r\n\r\n')
  if (end < 0) return mail
  const fields = splitHeaderFields(mail.toString('latin1', 0, end))
  if (isSignedBySender(fields)) return mail
  const contentFields = joinFields(fields.filter(isContentField))
  const tracked = trackContent({ contentFields, body: mail.subarray(end + 4) })
  if (tracked === null) return mail
  if (tracked.contentFields === contentFields) return Buffer.concat([mail.subarray(0, end + 4), tracked.body])
  const head = joinFields(fields.filter((field) => !isContentField(field))) + tracked.contentFields
  return Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), tracked.body])
}
