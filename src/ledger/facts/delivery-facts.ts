/**
 * delivery-facts - payloads of the facts about one delivery: registration, attempts, failures, engagement
 *
 * Payloads of ledger/facts/fact-kinds. Pure.
 */
import type { MachineSign } from '../../tracking/machine-reading.ts'
import type { FieldClasses } from './fact-fields.ts'
import type { MatchProvenance, StatusEffect, VerdictSummary } from './decision.ts'

export const EMAIL_TYPES = ['trigger', 'batch'] as const
export type EmailType = (typeof EMAIL_TYPES)[number]

/** The registration of one recipient: all contents of its delivery row. */
export type RequestData = {
  readonly emailId: string
  readonly messageId: string
  readonly recipient: string | null
  readonly domain: string
  readonly site: string | null
  readonly apiUser: string
  readonly labelId: number | null
  readonly label: string | null
  readonly emailType: EmailType
  readonly broadcast: string | null
  readonly from: string
  readonly subject: string
  readonly headers: Readonly<Record<string, string>>
  readonly messageIdHeader: string
  /** The client that submitted the mail, not the recipient. */
  readonly requestIp: string | null
  readonly requestedAt: number
  /** The first result of the broadcast view (ledger/project/broadcast-result). */
  readonly result: 'unsent' | 'sent' | 'duplicate' | 'no-email-selected'
  readonly settingsVersion: number
}

export const REQUEST_FIELDS = {
  emailId: 'text',
  messageId: 'text',
  recipient: 'address',
  domain: 'text',
  site: 'text',
  apiUser: 'text',
  label: 'text',
  broadcast: 'text',
  from: 'text',
  subject: 'text',
  headers: 'text',
  messageIdHeader: 'text',
  requestIp: 'text',
} as const satisfies FieldClasses<RequestData>

/** A valid token of an account that mints tokens offline, for a delivery that is not registered yet. */
export type StubData = { readonly tie: MatchProvenance }

export const STUB_FIELDS = { tie: 'text' } as const satisfies FieldClasses<StubData>

/** Why an attempt got no SMTP reply, as a client observes it. */
export const DIALOGUE_ERRORS = ['dns', 'connect', 'timeout', 'tls', 'dropped'] as const
export type DialogueError = (typeof DIALOGUE_ERRORS)[number]

/** Why no SMTP reply is recorded. `unknown`: the sending node fell silent, and nobody knows whether the server accepted the message. */
export type AttemptError = DialogueError | 'unknown'

export type AttemptData = {
  readonly n: number | null
  readonly code: number | null
  readonly status: string | null
  readonly text: string
  readonly error: AttemptError | null
  readonly mx: string | null
  readonly egressIp: string | null
  readonly site: string
  readonly final: boolean
  /** `queue`: our own queue made the attempt. `api`: a sender reported it. `log`: the log of an MTA says so. */
  readonly source: 'queue' | 'api' | 'log'
  /** Where the log names the attempt, and the digest of its line. Set if the source is a log. */
  readonly log?: { readonly host: string; readonly queueId: string; readonly digest: string }
  readonly verdict: VerdictSummary | null
  readonly effect: StatusEffect | null
  readonly settingsVersion: number
}

export const ATTEMPT_FIELDS = {
  status: 'text',
  text: 'text',
  mx: 'text',
  egressIp: 'text',
  site: 'text',
  log: 'text',
  verdict: 'text',
} as const satisfies FieldClasses<AttemptData>

export type FailedData = {
  /** `report`: an NDR. `list`: one of our lists, or the sender's own list of a broadcast. `address`: the recipient is not a valid address. */
  readonly source: 'report' | 'list' | 'address'
  /** The recipient that the report names. Shown in the timeline; no list takes it. */
  readonly reported: string | null
  readonly reportedDomain: string | null
  readonly reportStatus: string | null
  readonly remoteMta: string | null
  /** The refusing site, as far as it was known at the decision. */
  readonly site: string | null
  /** The provider's site that a proven report's Remote-MTA belongs to, if neither domain nor attempt named a site; else null. */
  readonly remoteSite: string | null
  readonly text: string
  readonly verdict: VerdictSummary | null
  readonly effect: StatusEffect | null
  readonly tie: MatchProvenance | null
  readonly digest: string | null
  /** False if our bounce list refused the address or a broadcast left it out. */
  readonly billable: boolean
  readonly settingsVersion: number
}

export const FAILED_FIELDS = {
  reported: 'address',
  reportedDomain: 'text',
  reportStatus: 'text',
  remoteMta: 'text',
  site: 'text',
  remoteSite: 'text',
  text: 'text',
  verdict: 'text',
  tie: 'text',
  digest: 'text',
} as const satisfies FieldClasses<FailedData>

export type GaveUpData = {
  readonly afterDays: number
  /** The last reply. Facts of early versions have none. */
  readonly text?: string
  readonly effect: StatusEffect
  readonly verdict: VerdictSummary | null
  readonly settingsVersion: number
}

export const GAVE_UP_FIELDS = { text: 'text', verdict: 'text' } as const satisfies FieldClasses<GaveUpData>

/** 0 no longer interested, 1 never subscribed, 2 spam, 3 fraud. */
export type UnsubscribeType = 0 | 1 | 2 | 3

export type UnsubscribeData = {
  readonly how: 'page' | 'one-click' | 'mailto' | 'report'
  readonly type: UnsubscribeType
  /** '' (the account) or a label. */
  readonly scope: string
  /** The change number of the list entry that this fact made, or that it found in force. */
  readonly change: number
  /** As the account's settings for opens and clicks were; null for a mail. */
  readonly ip: string | null
  readonly userAgent: string | null
  /** The reading of the user agent. */
  readonly device: string | null
  readonly browser: string | null
  readonly browserVersion: string | null
  readonly system: string | null
  readonly systemVersion: string | null
  readonly digest: string | null
  readonly settingsVersion: number
}

export const UNSUBSCRIBE_FIELDS = {
  scope: 'text',
  ip: 'personal',
  userAgent: 'personal',
  device: 'personal',
  browser: 'personal',
  browserVersion: 'personal',
  system: 'personal',
  systemVersion: 'personal',
  digest: 'text',
} as const satisfies FieldClasses<UnsubscribeData>

/** An open or a click. */
export type EngagementData = {
  readonly requestId: string
  readonly url: string | null
  /** Whole, cut to its network, or null, as the account's setting was. */
  readonly ip: string | null
  /** Null where the account stores the reading only. */
  readonly userAgent: string | null
  /** ISO 3166-1 code; region and city in English. Null: not known. */
  readonly country: string | null
  readonly region: string | null
  readonly city: string | null
  /** The reading of the user agent (tracking/client-reading). */
  readonly device: string | null
  readonly browser: string | null
  readonly browserVersion: string | null
  readonly system: string | null
  readonly systemVersion: string | null
  /** Why it is a machine's; null: a person's. */
  readonly machine: MachineSign | null
  /** Whether it is in unique counts and is a sign of life. */
  readonly counted: boolean
  /** Whether it is the first of its kind that is counted, as far as was known when it was decided. */
  readonly first: boolean
  readonly settingsVersion: number
}

export const ENGAGEMENT_FIELDS = {
  requestId: 'text',
  url: 'personal',
  ip: 'personal',
  userAgent: 'personal',
  country: 'personal',
  region: 'personal',
  city: 'personal',
  device: 'personal',
  browser: 'personal',
  browserVersion: 'personal',
  system: 'personal',
  systemVersion: 'personal',
} as const satisfies FieldClasses<EngagementData>

/** Clicks that were taken for a person's, until further links of the mail were followed at the same time. */
export type MachineClicksData = {
  /** The ids of the facts. */
  readonly clicks: readonly string[]
  readonly counted: boolean
  readonly settingsVersion: number
}

export const MACHINE_CLICKS_FIELDS = { clicks: 'text' } as const satisfies FieldClasses<MachineClicksData>
