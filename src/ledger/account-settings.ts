/**
 * account-settings - the settings of an account, with defaults
 *
 * Settings are rows with a version, and every fact that depends on a setting names the version. Settings of the process (ports, database,
 * limits) are in settings/.
 *
 * Pure. See also: service/admin/account-settings (changes them), ledger/suppress/suppression (ladders), ledger/decide/effect (status
 * policy), correlate/match (trust).
 */
import { z } from 'zod'
import { COMPLAINT_PROOFS } from '../correlate/trust.ts'
import { VERP_TRUSTS } from '../correlate/verp.ts'
import { parseThresholdChange } from './alert/alert-rules.ts'

/** Domains of Tencent, which has a ladder of its own. Other domains whose MX is under qq.com are recognised by the site of the delivery. */
const TENCENT_DOMAINS = ['qq.com', 'vip.qq.com', 'foxmail.com'] as const

/** All settings without defaults, so that a change names only the settings that it changes. */
const FIELDS = {
  /** `by-channel`: a final refusal in the SMTP session is invalid, anything reported later a soft bounce. */
  statusPolicy: z.enum(['by-permanence', 'by-channel']),
  /** `any`: a token or a feedback id proves a complaint wherever in the report it is. */
  trust: z.enum(['strict', 'any']),
  /** What a complaint must have: our token, a signature, or both (correlate/trust). */
  complaintProof: z.enum(COMPLAINT_PROOFS),
  /** What a report to a VERP address of the account's own MTA may change (correlate/verp). Only the operator sets `list`. */
  verpTrust: z.enum(VERP_TRUSTS),
  /** VERP addresses of the account without their recipient, at a Return-Path domain of ours. Set by the operator. */
  verpAddresses: z.array(z.email().max(320)).max(16),
  ladder: z.enum(['engagelab', 'sendcloud']),
  repeatLadder: z.boolean(),
  /** The IANA time zone for day boundaries and for the times in the compatible API. */
  zone: z.string().min(1).max(64),
  unsubscribeScope: z.enum(['account', 'label']),
  /** Feedback types that feed the complaint list. */
  complaintTypes: z.array(z.string().min(1).max(64)).max(32),
  complaintDays: z.int().min(1).max(3_650),
  tencentDomains: z.array(z.string().min(1).max(253)).max(256),
  /** Whether hits also feed the list that all accounts share. Set by the operator. */
  sharedList: z.boolean(),
  /** A delivery without an outcome ends after this many days; 0: never. */
  giveUpAfterDays: z.number().min(0).max(365),
  /** Domains that the account may send from, with their subdomains; empty: any. Set by the operator. */
  senderDomains: z.array(z.string().min(1).max(253)).max(1_000),
  /** Changes of alert thresholds, such as bounce-rate=0.08/0.04/500 or complaint-rate=off (ledger/alert/alert-rules). */
  alertRules: z
    .array(
      z
        .string()
        .refine((text) => parseThresholdChange(text) !== null, 'must be alert=raise/clear/minimum or alert=off, with clear below raise'),
    )
    .max(32),
  /** Recipients of this account's alerts. */
  alertEmails: z.array(z.email().max(320)).max(5),
} as const

export const accountSettingsSchema = z.strictObject({
  /** Rises with every change. */
  version: z.int().min(1).default(1),
  statusPolicy: FIELDS.statusPolicy.default('by-permanence'),
  trust: FIELDS.trust.default('strict'),
  complaintProof: FIELDS.complaintProof.default('token'),
  verpTrust: FIELDS.verpTrust.default('none'),
  verpAddresses: FIELDS.verpAddresses.default([]),
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

/** The settings of a new account. */
export const DEFAULT_ACCOUNT_SETTINGS: AccountSettings = accountSettingsSchema.parse({})
