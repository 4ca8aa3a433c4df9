/**
 * settings - what an account may choose, with defaults
 *
 * Rows with a version: every fact that a setting shaped names the version. Process settings (ports, database, limits) are
 * elsewhere. Pure: zod only checks. See also: ledger/suppression (ladders), ledger/effect (status policy), correlate/match (trust).
 */
import { z } from 'zod'

/** Mailboxes of Tencent, which has a ladder of its own. Domains whose MX stands under qq.com are added by the site of the delivery. */
export const TENCENT_DOMAINS = ['qq.com', 'vip.qq.com', 'foxmail.com'] as const

export const accountSettingsSchema = z.strictObject({
  /** Rises with every change. */
  version: z.int().min(1).default(1),
  /** `by-channel`: a final refusal in the dialogue is invalid, whatever comes back later a soft bounce. */
  statusPolicy: z.enum(['by-permanence', 'by-channel']).default('by-permanence'),
  /** `any`: a token or a feedback id alone serves for complaints. */
  trust: z.enum(['strict', 'any']).default('strict'),
  ladder: z.enum(['engagelab', 'sendcloud']).default('engagelab'),
  repeatLadder: z.boolean().default(true),
  /** The IANA zone in which days are cut and the compatible API writes its times. */
  zone: z.string().min(1).max(64).default('UTC'),
  unsubscribeScope: z.enum(['account', 'label']).default('account'),
  /** Feedback types that feed the complaint list. */
  complaintTypes: z.array(z.string().min(1).max(64)).max(32).default(['abuse', 'fraud']),
  complaintDays: z.int().min(1).max(3_650).default(180),
  tencentDomains: z
    .array(z.string().min(1).max(253))
    .max(256)
    .default([...TENCENT_DOMAINS]),
  /** Whether hits also feed the list that all accounts share; an operator's choice. */
  sharedList: z.boolean().default(false),
  /** A mail that nobody closed ends after so many days; 0: never. */
  giveUpAfterDays: z.number().min(0).max(365).default(5),
})

export type AccountSettings = Readonly<z.infer<typeof accountSettingsSchema>>

/** What an account starts with. */
export const DEFAULT_SETTINGS: AccountSettings = accountSettingsSchema.parse({})
