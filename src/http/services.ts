/**
 * services - what the routes ask of the program behind them
 *
 * Each member is one call to the store or to the work that writes; the account is always an argument, so that no route can ask for
 * another's. `app` builds it; tests may build one of lambdas.
 *
 * See also: app, http/server/authenticate.
 */
import type { RuleTable } from '../classify/rule-table.ts'
import type { EmailType, Fact, InboxReason, InboxState, ListName, UnsubscribeType } from '../ledger/facts/fact.ts'
import type { AlertRow } from '../ledger/alert/alert.ts'
import type { Thresholds } from '../ledger/alert/alert-rules.ts'
import type { AccountSettings } from '../ledger/account-settings.ts'
import type { DeliveryRow, InboxRow, Result, SuppressionRow } from '../ledger/project/state.ts'
import type { Account } from '../store/account/accounts.ts'
import type { ResultPage } from '../store/mail/broadcasts.ts'
import type { Brake } from '../store/lists/mass-bounce-holds.ts'
import type { Cut } from '../store/lists/blocks.ts'
import type { doorNamesOf } from '../store/facts/fact-feed.ts'
import type { AttemptAnswer, AttemptCall } from '../service/submit/reported-attempts.ts'
import type { Released, ReleaseCall } from '../service/lists/mass-bounce-review.ts'
import type { CutCall } from '../service/admin/blocks.ts'
import type { EntryCall } from '../service/lists/block-allow.ts'
import type { Dkim } from '../service/admin/dkim.ts'
import type { Erased } from '../service/admin/erase.ts'
import type { Exports } from '../service/export/exports.ts'
import type { SettleInbox } from '../service/receive/inbox.ts'
import type { Labels } from '../service/admin/labels.ts'
import type { UnsubscribeCall } from '../service/lists/lists.ts'
import type { FeedStart, Follower } from '../service/notify/event-feed.ts'
import type { QueueDesk } from '../service/deliver/queue-api.ts'
import type { Asker, Registered, Registration } from '../service/submit/register.ts'
import type { Routes } from '../service/forward/forward-domains.ts'
import type { SettingsCall } from '../service/admin/account-settings.ts'
import type { Submit } from '../service/submit/submit.ts'
import type { Webhooks } from '../service/notify/webhooks.ts'
import type { Statistics } from './api/statistics.ts'

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
  /** An entry that holds this whole domain. */
  readonly domain?: string | null
  /** '' for all of the account, a label, or an API user. */
  readonly scope?: string | null
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
  /** Of the recipient. */
  readonly domain?: string | null
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
  readonly site: string | null
  readonly rule: string | null
  readonly since: number
  readonly until: number
  readonly dryRun: boolean
}

export type Desk = {
  readonly now: () => number
  readonly settings: (account: number) => Promise<AccountSettings>
  readonly changeSettings: (call: SettingsCall) => Promise<AccountSettings>
  /** Mails that our own queue sends. */
  readonly submit: Submit
  readonly dkim: Dkim
  readonly register: (by: Asker, call: Registration) => Promise<Registered>
  readonly attempts: (by: Asker, calls: readonly AttemptCall[]) => Promise<readonly AttemptAnswer[]>
  readonly message: (account: number, emailId: string) => Promise<{ readonly row: DeliveryRow; readonly facts: readonly Fact[] } | null>
  readonly statuses: (account: number, query: StatusQuery) => Promise<Page<DeliveryRow> & { readonly total: number | null }>
  /** The deliveryIds of those of these mails that cost nothing. */
  readonly unbilled: (account: number, rows: readonly DeliveryRow[]) => Promise<ReadonlySet<string>>
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
  readonly settleInbox: SettleInbox
  readonly cuts: () => Promise<readonly Cut[]>
  /** False: nothing changed. */
  readonly addCut: (call: CutCall, reason: string) => Promise<boolean>
  readonly removeCut: (call: CutCall) => Promise<boolean>
  /** Sites whose list writes wait, or of which entries still wait. */
  readonly brakes: () => Promise<readonly Brake[]>
  readonly releaseBrake: (call: ReleaseCall) => Promise<Released>
  readonly eraseAddress: (address: string, actor: string) => Promise<Erased>
  readonly webhooks: Webhooks
  readonly exports: Exports
  readonly routes: Routes
  readonly alerts: {
    /** Account null: everybody's. */
    readonly list: (account: number | null) => Promise<readonly AlertRow[]>
    readonly thresholds: (account: number) => Promise<Thresholds>
  }
  readonly statistics: Statistics
  readonly labels: Labels
  /** The account itself and its API users; null: there is none. */
  readonly profile: (account: number) => Promise<{ readonly account: Account; readonly apiUsers: readonly string[] } | null>
  /** A word that changes whenever somebody has committed. */
  readonly stamp: () => Promise<string>
  /** The entries that were new. */
  readonly addEntries: (by: Asker, call: EntryCall & { readonly until: number | null }) => Promise<readonly SuppressionRow[]>
  /** How many stood. */
  readonly dropEntries: (by: Asker, call: EntryCall) => Promise<number>
  /** The rules in force. */
  readonly rules: () => RuleTable
  readonly broadcast: (
    account: number,
    broadcast: string,
    page: ResultPage,
  ) => Promise<{ readonly counts: ReadonlyMap<Result, number>; readonly rows: readonly DeliveryRow[] }>
  readonly queue: QueueDesk
  /** An account's facts from a place on; account 0: the operator's own. */
  readonly follow: (account: number, start: FeedStart) => Promise<Follower>
  /** By which names the doors know deliveries. */
  readonly doorNames: (account: number, deliveryIds: readonly string[]) => ReturnType<typeof doorNamesOf>
  /** Names of accounts by their numbers, for the operator. */
  readonly accountNames: () => Promise<ReadonlyMap<number, string>>
  readonly unsubscribe: (call: UnsubscribeCall) => Promise<'done' | 'missed'>
}
