/**
 * sub-status-names - SendCloud's names of sub statuses, for its API and its webhooks
 *
 * Pure. See also: docs/SENDCLOUD.md, webhook/payload, http/sendcloud/email-status.
 */

/** Letter by letter, because clients compare them. If both 4xx and 5xx have a number, its last two digits mean the same. */
const SUB_STATUS_NAMES: Readonly<Record<number, string>> = {
  401: 'SendCloud Blacklist',
  402: 'Unsubscribe',
  403: 'Server Unreachable',
  404: 'Address Format Error',
  405: 'IP, Domain Name Rejected',
  406: 'Address Does Not Exist',
  407: 'Spam',
  408: 'Sender/Recipient Rejected',
  409: 'Other',
  503: 'Soft bounce - Server error',
  505: 'Soft bounce - IP rejection',
  506: 'Soft bounce - Not Exist',
  507: 'Soft bounce - Spam rejection',
  508: 'Soft bounce - Rejection',
  509: 'Soft bounce - Others',
}

/** The name of a sub status; empty for null or an unknown number. */
export function subStatusName(subStatus: number | null): string {
  return subStatus === null ? '' : (SUB_STATUS_NAMES[subStatus] ?? '')
}
