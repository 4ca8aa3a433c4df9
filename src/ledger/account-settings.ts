/**
 * account-settings - what an account may choose, with defaults
 *
 * Rows with a version: every fact that a setting shaped names the version. Process settings (ports, database, limits) are
 * elsewhere. Pure: zod only checks. See also: service/admin/account-settings (who changes them), ledger/suppress/suppression (ladders), ledger/decide/effect (status policy), correlate/match (trust).
 */
import { z } from 'zod'
import { parseThresholdChange } from './alert/alert-rules.ts'

/** Mailboxes of Tencent, which has a ladder of its own. Domains whose MX stands under qq.com are added by the site of the delivery. */
const TENCENT_DOMAINS = ['qq.com', 'vip.qq.com', 'foxmail.com'] as const

/** What may be chosen, without the defaults: a change names only what it changes. */
const FIELDS = {
  /** `by-channel`: a final refusal in the dialogue is invalid, whatever comes back later a soft bounce. */
  statusPolicy: z.enum(['by-permanence', 'by-channel']),
  /** `any`: a token or a feedback id alone serves for complaints. */
  trust: z.enum(['strict', 'any']),
  ladder: z.enum(['engagelab', 'sendcloud']),
  repeatLadder: z.boolean(),
  /** The IANA zone in which days are cut and the compatible API writes its times. */
  zone: z.string().min(1).max(64),
  unsubscribeScope: z.enum(['account', 'label']),
  /** Feedback types that feed the complaint list. */
  complaintTypes: z.array(z.string().min(1).max(64)).max(32),
  complaintDays: z.int().min(1).max(3_650),
  tencentDomains: z.array(z.string().min(1).max(253)).max(256),
  /** Whether hits also feed the list that all accounts share; an operator's choice. */
  sharedList: z.boolean(),
  /** A mail that nobody closed ends after so many days; 0: never. */
  giveUpAfterDays: z.number().min(0).max(365),
  /** Domains that the account may send from, each with those below it; none: any. An operator's choice. */
  senderDomains: z.array(z.string().min(1).max(253)).max(1_000),
  /** Changes of thresholds, like bounce-rate=0.08/0.04/500 or complaint-rate=off (ledger/alert/alert-rules). */
  alertRules: z
    .array(
      z
        .string()
        .refine((text) => parseThresholdChange(text) !== null, 'must be alert=raise/clear/minimum or alert=off, with clear below raise'),
    )
    .max(32),
  /** Who is mailed of this account's alerts. */
  alertEmails: z.array(z.email().max(320)).max(5),
} as const

export const accountSettingsSchema = z.strictObject({
  /** Rises with every change. */
  version: z.int().min(1).default(1),
  statusPolicy: FIELDS.statusPolicy.default('by-permanence'),
  trust: FIELDS.trust.default('strict'),
  ladder: FIELDS.ladder.default('engagelab'),
  repeatLadder: FIELDS.repeatLadder.default(true),
  zone: FIELDS.zone.default('UTC'),
  unsubscribeScope: FIELDS.unsubscribeScope.default('account'),
  complaintTypes: FIELDS.complaintTypes.default(['abuse', 'fraud']),
  complaintDays: FIELDS.complaintDays.default(180),
  tencentDomains: FIELDS.tencentDomains.default([...TENCENT_DOMAINS]),
  sharedList: FIELDS.sharedList.default(false),
  giveUpAfterDays: FIELDS.giveUpAfterDays.default(5),
  senderDomains: FIELDS.senderDomains.default([]),
  alertRules: FIELDS.alertRules.default([]),
  alertEmails: FIELDS.alertEmails.default([]),
})

/** A change of some settings. */
export const accountSettingsChangeSchema = z.strictObject(FIELDS).partial()

export type AccountSettingsChange = Readonly<z.infer<typeof accountSettingsChangeSchema>>

export type AccountSettings = Readonly<z.infer<typeof accountSettingsSchema>>

/** What an account starts with. */
export const DEFAULT_ACCOUNT_SETTINGS: AccountSettings = accountSettingsSchema.parse({})
