/**
 * desk - what the routes ask of the program behind them
 *
 * Each member is one call to the store or to the work that writes; the account is always an argument, so that no route can ask for
 * another's. `app` builds it; tests may build one of lambdas.
 *
 * See also: app, web/identity.
 */
import type { AttemptError, EmailType, Fact, InboxReason, InboxState, ListName, UnsubscribeType } from '../ledger/fact.ts'
import type { AccountSettings } from '../ledger/settings.ts'
import type { DeliveryRow, InboxRow, SuppressionRow } from '../ledger/world.ts'

/** In whose name a call is made, and from where. */
export type Asker = { readonly account: number; readonly apiUser: string; readonly ip: string }

export type RegistrationCall = {
  readonly from: string
  readonly subject: string
  readonly recipients: readonly { readonly recipient: string | null; readonly contactTypes: readonly string[] | null }[]
  readonly label: string | null
  readonly broadcast: string | null
  readonly emailType: EmailType
  readonly headers: Readonly<Record<string, string>>
}

export type RegisteredRecipient = {
  readonly recipient: string | null
  readonly emailId: string
  readonly returnPath: string
  readonly messageIdHeader: string
  readonly feedbackId: string
  /** Headers to add to the mail, as they should be written. */
  readonly headers: Readonly<Record<string, string>>
  /** 18, or what one of our own lists or the address itself answered at once. */
  readonly status: number
  readonly subStatus: number | null
}

export type Registered = { readonly messageId: string; readonly recipients: readonly RegisteredRecipient[] }

export type AttemptCall = {
  readonly emailId: string
  readonly code: number | null
  readonly text: string
  readonly error: AttemptError | null
  readonly mx: string | null
  readonly egressIp: string | null
  readonly attempt: number | null
  readonly final: boolean | null
  readonly at: number | null
}

/** `known` false: no mail of the account has this emailId; nothing was recorded. `fresh` false: it was recorded before. */
export type AttemptAnswer = {
  readonly emailId: string
  readonly known: boolean
  readonly fresh: boolean
  readonly final: boolean
  readonly status: number | null
  readonly subStatus: number | null
  readonly reason: string | null
  readonly permanence: string | null
  readonly rule: string | null
}

export type InboxQuery = {
  readonly state: InboxState | null
  readonly reason: InboxReason | null
  readonly after: string | null
  readonly limit: number
}
export type Page<T> = { readonly rows: readonly T[]; readonly next: string | null }

/** `from`/`until` bound the time of the entry; `until` is not counted. */
export type SuppressionQuery = {
  readonly list: ListName
  readonly email: string | null
  readonly from: number | null
  readonly until: number | null
  readonly apiUsers: readonly string[] | null
  readonly labelIds: readonly number[] | null
  /** Leaves out what ended, was removed, or is held by the brake. */
  readonly onlyInForce: boolean
  readonly after: string | null
  readonly offset: number
  readonly limit: number
}

export type StatusQuery = {
  readonly email: string | null
  readonly emailIds: readonly string[] | null
  readonly labelId: number | null
  readonly labelName: string | null
  readonly from: number | null
  readonly until: number | null
  readonly apiUsers: readonly string[] | null
  readonly status: number | null
  readonly subStatuses: readonly number[] | null
  readonly requestIp: string | null
  readonly egressIp: string | null
  readonly emailType: EmailType | null
  readonly after: string | null
  readonly withTotal: boolean
  readonly offset: number
  readonly limit: number
}

export type LiftCall = {
  readonly list: ListName
  readonly site: string | null
  readonly rule: string | null
  readonly since: number
  readonly until: number
  readonly dryRun: boolean
}

/** `missed`: the token proves nothing (any more). */
export type UnsubscribeCall = {
  readonly token: string
  readonly how: 'page' | 'one-click'
  readonly ip: string
  readonly userAgent: string | null
}

export type Desk = {
  readonly now: () => number
  readonly settings: (account: number) => Promise<AccountSettings>
  readonly register: (by: Asker, call: RegistrationCall) => Promise<Registered>
  readonly attempts: (by: Asker, calls: readonly AttemptCall[]) => Promise<readonly AttemptAnswer[]>
  readonly message: (account: number, emailId: string) => Promise<{ readonly row: DeliveryRow; readonly facts: readonly Fact[] } | null>
  readonly statuses: (account: number, query: StatusQuery) => Promise<Page<DeliveryRow> & { readonly total: number | null }>
  readonly suppressions: (account: number, query: SuppressionQuery) => Promise<Page<SuppressionRow>>
  readonly countSuppressions: (account: number, query: SuppressionQuery) => Promise<number>
  readonly checkAddresses: (account: number, addresses: readonly string[]) => Promise<readonly (readonly SuppressionRow[])[]>
  readonly removeSuppressions: (by: Asker, query: SuppressionQuery) => Promise<number>
  readonly addUnsubscribe: (by: Asker, address: string, type: UnsubscribeType) => Promise<SuppressionRow>
  readonly lift: (by: Asker, call: LiftCall) => Promise<readonly SuppressionRow[]>
  /** Account null: everybody's, for the operator. */
  readonly inbox: (account: number | null, query: InboxQuery) => Promise<Page<InboxRow>>
  readonly inboxMail: (
    account: number | null,
    digest: string,
  ) => Promise<{ readonly row: InboxRow; readonly raw: Uint8Array | null } | null>
  readonly unsubscribe: (call: UnsubscribeCall) => Promise<'done' | 'missed'>
}
