/**
 * track-content - tracks the HTML and the text of registered mails, for senders that deliver them
 *
 * See also: http/api/track-html, service/submit/register, tracking/tracked-text, service/track/copy-tracker (mails that we send).
 */
import type { TrackingOptions } from '../../compose/composition.ts'
import { isDeliveryIdExpired, TOKEN_PURPOSES } from '../../correlate/token.ts'
import { Fault } from '../../errors.ts'
import { findDeliveriesByEmailIds } from '../../store/mail/deliveries.ts'
import { fillText, planText, type TextPlan } from '../../tracking/tracked-text.ts'
import { resolveTrackingSwitches, type TrackingSwitches } from '../../tracking/tracking-switches.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { Caller } from '../caller.ts'
import type { Context } from '../context.ts'
import { signCopyTokens, type TokenClaims } from '../submit/mail-tokens.ts'
import { trackingBaseOf } from './tracking-base.ts'

export type RegisteredContent = {
  readonly html: string | null
  readonly plain: string | null
  /** Null: as the account is set. */
  readonly tracking: TrackingOptions
}

/** The content of one copy. */
export type TrackedContent = { readonly html: string | null; readonly plain: string | null }

export type ContentTracker = { readonly switches: TrackingSwitches; readonly track: (claims: TokenClaims) => TrackedContent }

type ContentOwner = { readonly account: number; readonly apiUser: string; readonly emailType: string }

const ALL_OFF: TrackingSwitches = { open: false, click: false, unsubscribeFooter: false }

/** Finds the places for links in a content once for all of its copies. Without a base URL, nothing changes. */
export function createContentTracker(
  context: Context,
  snapshot: AccountSnapshot,
  owner: ContentOwner,
  { html, plain, tracking }: RegisteredContent,
): ContentTracker {
  const base = trackingBaseOf(context, snapshot, owner.account)
  if (base === null) return { switches: ALL_OFF, track: () => ({ html, plain }) }
  const switches = resolveTrackingSwitches(snapshot.settingsOf(owner.account), { ...owner, tracking })
  const planOf = (text: string | null, type: 'html' | 'plain'): TextPlan | null =>
    text === null ? null : planText(text, type, { switches, base })
  const [htmlPlan, plainPlan] = [planOf(html, 'html'), planOf(plain, 'plain')]
  const track = (claims: TokenClaims): TrackedContent => {
    const tokens = signCopyTokens(snapshot, context.domains, claims)
    const fill = (plan: TextPlan | null): string | null => (plan === null ? null : fillText(plan, tokens))
    return { html: fill(htmlPlan), plain: fill(plainPlan) }
  }
  return { switches, track }
}

export type TrackHtml = (
  caller: Caller,
  request: RegisteredContent & { readonly emailId: string },
) => Promise<TrackedContent & { readonly switches: TrackingSwitches }>

/** Creates the service. Faults of a call: not_found (the account has no such mail, or its links would have expired), store_busy. */
export function createTrackHtml(context: Context): TrackHtml {
  return async ({ account }, { emailId, ...content }) => {
    const [row] = await findDeliveriesByEmailIds(context.engine.read, account, [emailId])
    const isExpired = row !== undefined && isDeliveryIdExpired(row.deliveryId, TOKEN_PURPOSES.tracking.validDays, context.now())
    if (row === undefined || isExpired) throw new Fault('not_found', 'this account has no mail with this emailId; register it first')
    const snapshot = await context.accountCache.snapshot()
    const owner = { account, apiUser: row.apiUser, emailType: row.emailType }
    const { switches, track } = createContentTracker(context, snapshot, owner, content)
    return { switches, ...track({ deliveryId: row.deliveryId, keyIndex: snapshot.signingIndex }) }
  }
}
