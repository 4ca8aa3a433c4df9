/**
 * sub-status-names - SendCloud's names of sub statuses, for its API and its webhooks
 *
 * Pure. See also: docs/SENDCLOUD.md, webhook/payload, http/sendcloud/email-status.
 */

/** If both 4xx and 5xx have a number, its last two digits mean the same. */
const SUB_STATUS_NAMES: Readonly<Record<number, string>> = {
  401: 'blacklist',
  402: 'unsubscribe',
  403: 'server unreachable',
  404: 'address format error',
  405: 'IP/domain rejected',
  406: 'address does not exist',
  407: 'spam',
  408: 'sender/recipient rejected',
  409: 'other',
  503: 'server error',
  505: 'IP/domain rejected',
  506: 'address could not be verified',
  507: 'spam',
  508: 'sender/recipient rejected',
  509: 'other',
}

/** The name of a sub status; empty for null or an unknown number. */
export function subStatusName(subStatus: number | null): string {
  return subStatus === null ? '' : (SUB_STATUS_NAMES[subStatus] ?? '')
}
