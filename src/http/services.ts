/**
 * services - what the routes ask of the program behind them
 *
 * Each member is one call to the store or to the work that writes; the account is always an argument, so that no route can ask for
 * another's. `app` builds it; tests may build one of lambdas.
 *
 * See also: app, http/server/authenticate.
 */
import type { RuleTable } from '../classify/rule-table.ts'
import type { EmailType, UnsubscribeType } from '../ledger/facts/delivery-facts.ts'
import type { Fact } from '../ledger/facts/fact.ts'
import type { InboxReason, InboxState } from '../ledger/facts/inbox-facts.ts'
import type { ListName } from '../ledger/facts/list-facts.ts'
import type { AlertRow } from '../ledger/alert/alert.ts'
import type { AlertThresholds } from '../ledger/alert/alert-rules.ts'
import type { AccountSettings } from '../ledger/account-settings.ts'
import type { DeliveryRow, InboxRow, BroadcastResult, SuppressionRow } from '../ledger/project/state.ts'
import type { Account } from '../store/account/accounts.ts'
import type { BroadcastPage } from '../store/mail/broadcasts.ts'
import type { SiteHold } from '../store/lists/mass-bounce-holds.ts'
import type { AccessBlock } from '../store/lists/blocks.ts'
import type { findPublicNames } from '../store/facts/fact-feed.ts'
import type { ReportedAttemptResult, ReportedAttempt } from '../service/submit/reported-attempts.ts'
import type { ReleaseResult, ReleaseCommand } from '../service/lists/mass-bounce-review.ts'
import type { BlockCommand } from '../service/admin/blocks.ts'
import type { EntrySelection } from '../service/lists/block-allow.ts'
import type { DkimKeyService } from '../service/admin/dkim.ts'
import type { EraseResult } from '../service/admin/erase.ts'
import type { ExportService } from '../service/export/exports.ts'
import type { RunInboxCommand } from '../service/receive/inbox.ts'
import type { LabelService } from '../service/admin/labels.ts'
import type { UnsubscribeRequest } from '../service/lists/lists.ts'
import type { FeedStart, FeedFollower } from '../service/notify/event-feed.ts'
import type { QueueApi } from '../service/deliver/queue-api.ts'
import type { RegistrationResult, Registration } from '../service/submit/register.ts'
import type { Caller } from '../service/caller.ts'
import type { ForwardService } from '../service/forward/forward-domains.ts'
import type { SettingsCommand } from '../service/admin/account-settings.ts'
import type { Submit } from '../service/submit/submit.ts'
import type { WebhookService } from '../service/notify/webhooks.ts'
import type { StatisticsService } from './api/statistics.ts'

export type InboxQuery = {
  readonly state: InboxState | null
  readonly reason: InboxReason | null
  readonly after: string | null
  readonly limit: number
}
export type CursorPage<T> = { readonly rows: readonly T[]; readonly next: string | null }

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

export type ReactivateRequest = {
  readonly site: string | null
  readonly rule: string | null
  readonly since: number
  readonly until: number
  readonly dryRun: boolean
}

export type Services = {
  readonly now: () => number
  readonly getSettings: (account: number) => Promise<AccountSettings>
  readonly changeSettings: (call: SettingsCommand) => Promise<AccountSettings>
  /** Mails that our own queue sends. */
  readonly submit: Submit
  readonly dkim: DkimKeyService
  readonly register: (caller: Caller, call: Registration) => Promise<RegistrationResult>
  readonly reportAttempts: (caller: Caller, calls: readonly ReportedAttempt[]) => Promise<readonly ReportedAttemptResult[]>
  readonly findMessage: (account: number, emailId: string) => Promise<{ readonly row: DeliveryRow; readonly facts: readonly Fact[] } | null>
  readonly listStatuses: (account: number, query: StatusQuery) => Promise<CursorPage<DeliveryRow> & { readonly total: number | null }>
  /** The deliveryIds of those of these mails that cost nothing. */
  readonly findUnbilled: (account: number, rows: readonly DeliveryRow[]) => Promise<ReadonlySet<string>>
  readonly listSuppressions: (account: number, query: SuppressionQuery) => Promise<CursorPage<SuppressionRow>>
  readonly countSuppressions: (account: number, query: SuppressionQuery) => Promise<number>
  readonly checkAddresses: (account: number, addresses: readonly string[]) => Promise<readonly (readonly SuppressionRow[])[]>
  readonly removeSuppressions: (caller: Caller, query: SuppressionQuery) => Promise<number>
  readonly addUnsubscribe: (caller: Caller, address: string, type: UnsubscribeType) => Promise<SuppressionRow>
  readonly reactivateSuppressions: (caller: Caller, call: ReactivateRequest) => Promise<readonly SuppressionRow[]>
  /** Account null: everybody's, for the operator. */
  readonly listInbox: (account: number | null, query: InboxQuery) => Promise<CursorPage<InboxRow>>
  readonly findInboxMail: (
    account: number | null,
    digest: string,
  ) => Promise<{ readonly row: InboxRow; readonly raw: Uint8Array | null } | null>
  readonly resolveInboxItem: RunInboxCommand
  readonly listAccessBlocks: () => Promise<readonly AccessBlock[]>
  /** False: nothing changed. */
  readonly addAccessBlock: (call: BlockCommand, reason: string) => Promise<boolean>
  readonly removeAccessBlock: (call: BlockCommand) => Promise<boolean>
  /** Sites whose list writes wait, or of which entries still wait. */
  readonly listMassBounceReviews: () => Promise<readonly SiteHold[]>
  readonly resolveMassBounceReview: (call: ReleaseCommand) => Promise<ReleaseResult>
  readonly eraseAddress: (address: string, actor: string) => Promise<EraseResult>
  readonly webhooks: WebhookService
  readonly exports: ExportService
  readonly forwarding: ForwardService
  readonly alerts: {
    /** Account null: everybody's. */
    readonly list: (account: number | null) => Promise<readonly AlertRow[]>
    readonly getThresholds: (account: number) => Promise<AlertThresholds>
  }
  readonly statistics: StatisticsService
  readonly labels: LabelService
  /** The account itself and its API users; null: there is none. */
  readonly findProfile: (account: number) => Promise<{ readonly account: Account; readonly apiUsers: readonly string[] } | null>
  /** A word that changes whenever somebody has committed. */
  readonly readCommitStamp: () => Promise<string>
  /** The entries that were new. */
  readonly addBlockAllowEntries: (
    caller: Caller,
    call: EntrySelection & { readonly until: number | null },
  ) => Promise<readonly SuppressionRow[]>
  /** How many stood. */
  readonly removeBlockAllowEntries: (caller: Caller, call: EntrySelection) => Promise<number>
  /** The rules in force. */
  readonly getRules: () => RuleTable
  readonly readBroadcastResults: (
    account: number,
    broadcast: string,
    page: BroadcastPage,
  ) => Promise<{ readonly counts: ReadonlyMap<BroadcastResult, number>; readonly rows: readonly DeliveryRow[] }>
  readonly queue: QueueApi
  /** An account's facts from a place on; account 0: the operator's own. */
  readonly openEventFeed: (account: number, start: FeedStart) => Promise<FeedFollower>
  /** By which names the doors know deliveries. */
  readonly findDeliveryNames: (account: number, deliveryIds: readonly string[]) => ReturnType<typeof findPublicNames>
  /** Names of accounts by their numbers, for the operator. */
  readonly listAccountNames: () => Promise<ReadonlyMap<number, string>>
  readonly unsubscribe: (call: UnsubscribeRequest) => Promise<'done' | 'missed'>
}
