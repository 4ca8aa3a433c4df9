/**
 * account-secrets - adds accounts and makes new secrets
 *
 * See also: daemon/account-secrets, http/api/installation/account-admin.
 */
export type AccountSecretService = {
  /** Adds an account with its first API user. Faults: conflict (the name is taken), bad_request (the name is not allowed). */
  readonly add: (apiUser: string, actor: string) => Promise<{ readonly account: number; readonly apiKey: string }>
  /** Makes a new secret of an API user; the old one is valid until `oldUntil` (epoch ms). Faults: not_found. */
  readonly rotate: (apiUser: string, actor: string) => Promise<{ readonly apiKey: string; readonly oldUntil: number }>
}
