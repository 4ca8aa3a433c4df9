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
import { REPORT_COPY_KINDS } from '../compose/report-copy.ts'
import { COMPLAINT_PROOFS } from '../correlate/trust.ts'
import { normaliseVerpAddress, VERP_TRUSTS } from '../correlate/verp.ts'
import { IP_PRIVACY } from '../tracking/ip-privacy.ts'
import { parseApiUserSwitches, SWITCH_STATES } from '../tracking/switch-settings.ts'
import { parseThresholdChange } from './alert/alert-rules.ts'

/** Domains of Tencent, which has a ladder of its own. Other domains whose MX is under qq.com are recognised by the site of the delivery. */
const TENCENT_DOMAINS = ['qq.com', 'vip.qq.com', 'foxmail.com'] as const

const DOMAIN = /^(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+$/
const LOGO = /^https:\/\/[^\s"'<>;,\\]{1,2000}$/

/** Tracking (docs/TRACKING.md). */
const TRACKING_FIELDS = {
  openTracking: z.enum(SWITCH_STATES),
  clickTracking: z.enum(SWITCH_STATES),
  unsubscribeFooter: z.enum(SWITCH_STATES),
  /** Switches of single API users, such as news=open:on/unsubscribe:batch (tracking/switch-settings). */
  apiUserTracking: z
    .array(
      z
        .string()
        .refine(
          (text) => parseApiUserSwitches(text) !== null,
          'must be APIUSER=SWITCH:STATE/…, with open, click or unsubscribe, and off, batch or on',
        ),
    )
    .max(256),
  /** API users and labels whose mail is of the type `batch` if it comes by mail/send or SMTP, which cannot name a type. */
  batchApiUsers: z.array(z.string().min(1).max(64)).max(256),
  batchLabels: z.array(z.string().min(1).max(128)).max(256),
  /** The account's own host for opens, clicks and unsubscribes; '': the shared one. */
  trackingDomain: z
    .string()
    .toLowerCase()
    .max(253)
    .refine((text) => text === '' || DOMAIN.test(text), 'must be a domain in its ASCII form (A-label), or empty'),
  /** How much of the IP address of an open or a click is stored; `network`: cut to /24 (IPv4) or /48 (IPv6). */
  engagementIp: z.enum(IP_PRIVACY),
  /** `reading`: only device, browser and system are stored. */
  engagementUserAgent: z.enum(['whole', 'reading']),
  /** Days after which IP address, place, client and link of an open or a click are removed; 0: with the mail. */
  engagementDays: z.int().min(0).max(3_650),
  /** Whether opens and clicks by machines are in unique counts and turn a result into Opened. */
  machineEngagement: z.enum(['exclude', 'count']),
  /** Whether the reasons "spam" and "fraud" of the unsubscribe page are complaints. */
  complaintByReason: z.boolean(),
  /** The sender's name, colour and logo on the unsubscribe page; '': the name of the From field, our colour, no logo. */
  pageName: z.string().max(100),
  pageColour: z.string().regex(/^(?:#[0-9a-fA-F]{6})?$/, 'must be a colour such as #0055aa, or empty'),
  pageLogo: z.string().refine((text) => text === '' || LOGO.test(text), 'must be an https URL, or empty'),
} as const

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
  /** VERP addresses of the account: without their recipient, or patterns (correlate/verp). Set by the operator. */
  verpAddresses: z
    .array(
      z
        .string()
        .max(320)
        .refine(
          (text) => normaliseVerpAddress(text) !== null,
          'must be an address without its recipient, or a pattern such as b-{id}-{user}={domain}@bounce.example.com, with text between the placeholders',
        ),
    )
    .max(16),
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
  /** Registered mail of which nobody reports an outcome ends as a soft bounce after this many days; 0: it stays sent. */
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
  /** Who gets a copy of bounces and automatic replies: nobody (`off`), the sender of the mail (`sender`), or an address. */
  reportCopies: z.union([z.enum(['off', 'sender']), z.email().max(320)]),
  /** Which reports are copied. */
  reportCopyKinds: z.array(z.enum(REPORT_COPY_KINDS)).max(REPORT_COPY_KINDS.length),
  /** Recipients of this account's alerts. */
  alertEmails: z.array(z.email().max(320)).max(5),
  ...TRACKING_FIELDS,
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
  giveUpAfterDays: FIELDS.giveUpAfterDays.default(0),
  senderDomains: FIELDS.senderDomains.default([]),
  alertRules: FIELDS.alertRules.default([]),
  reportCopies: FIELDS.reportCopies.default('off'),
  reportCopyKinds: FIELDS.reportCopyKinds.default(['bounce', 'auto-reply']),
  alertEmails: FIELDS.alertEmails.default([]),
  // An account that exists before tracking keeps it off; NEW_ACCOUNT_TRACKING is for the others.
  openTracking: FIELDS.openTracking.default('off'),
  clickTracking: FIELDS.clickTracking.default('off'),
  unsubscribeFooter: FIELDS.unsubscribeFooter.default('off'),
  apiUserTracking: FIELDS.apiUserTracking.default([]),
  batchApiUsers: FIELDS.batchApiUsers.default([]),
  batchLabels: FIELDS.batchLabels.default([]),
  trackingDomain: FIELDS.trackingDomain.default(''),
  engagementIp: FIELDS.engagementIp.default('whole'),
  engagementUserAgent: FIELDS.engagementUserAgent.default('whole'),
  engagementDays: FIELDS.engagementDays.default(0),
  machineEngagement: FIELDS.machineEngagement.default('exclude'),
  complaintByReason: FIELDS.complaintByReason.default(true),
  pageName: FIELDS.pageName.default(''),
  pageColour: FIELDS.pageColour.default(''),
  pageLogo: FIELDS.pageLogo.default(''),
})

/**
 * What a new account begins with. Links are measured in all mail. Opens are measured where somebody reads the rate, in campaigns, and where a
 * send asks for them. The unsubscribe footer is for campaigns only: in a password reset it would end all mail to its reader.
 */
export const NEW_ACCOUNT_TRACKING = {
  openTracking: 'batch',
  clickTracking: 'on',
  unsubscribeFooter: 'batch',
} as const satisfies AccountSettingsChange

/** A change of some settings. */
export const accountSettingsChangeSchema = z.strictObject(FIELDS).partial()

export type AccountSettingsChange = Readonly<z.infer<typeof accountSettingsChangeSchema>>

export type AccountSettings = Readonly<z.infer<typeof accountSettingsSchema>>

/** The settings of an account that changed none. A new account also has NEW_ACCOUNT_TRACKING. */
export const DEFAULT_ACCOUNT_SETTINGS: AccountSettings = accountSettingsSchema.parse({})
