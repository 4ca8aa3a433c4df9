/**
 * envelope - SendCloud's response envelope: always HTTP 200, with the outcome in the body
 *
 * See also: http/sendcloud/parameters (chooses the code of an invalid parameter), docs/SENDCLOUD.md.
 */

/** SendCloud's codes that we use, with our own messages. */
export const SENDCLOUD_MESSAGES = {
  200: 'ok',
  501: 'server exception',
  40001: 'start is empty',
  40002: 'start is invalid',
  40003: 'limit is empty',
  40004: 'limit is invalid',
  40005: 'authentication failed',
  40006: 'days is invalid',
  40007: 'startDate is invalid, the format is yyyy-MM-dd',
  40008: 'endDate is invalid, the format is yyyy-MM-dd',
  40009: 'labelIdList is empty',
  40010: 'apiUserList is empty',
  40011: 'email is empty',
  40012: 'email is invalid',
  40013: 'domainList is empty, or contains an invalid domain',
  40014: 'label id is empty',
  40015: 'label id is invalid',
  40016: 'apiUserList is invalid',
  40017: 'aggregate is invalid',
  40104: 'label name is empty',
  40105: 'label name is invalid: 1 to 128 characters on one line',
  40106: 'label not found',
  40113: 'label name exists',
  40401: 'unsubscribe created',
  40402: 'unsubscribe failed',
  40403: 'unsubscribe deleted',
  40404: 'unsubscribe delete failed',
  40601: 'bounce deleted',
  40602: 'bounce delete failed',
  40703: 'event is empty',
  40704: 'event is invalid',
  40705: 'url is empty',
  40706: 'url is invalid',
  40707: 'url test failed: it must answer 200 to GET and to POST',
  40708: 'url exists',
  40709: 'webhook not found',
  40710: 'webhook create failed',
  40711: 'webhook delete failed',
  40712: 'webhook update failed',
  40801: 'from is empty',
  40802: 'from is invalid',
  40804: 'fromName is invalid',
  40805: 'recipients are empty',
  40806: 'to contains an invalid address',
  40807: 'more than 100 recipients',
  40808: 'subject is empty',
  40809: 'subject is invalid',
  40813: 'xsmtpapi is invalid',
  40819: 'attachments are over 10 MiB',
  40820: 'address lists are not supported',
  40829: 'dispositionNotificationTo is invalid',
  40831: 'plain is invalid',
  40853: 'cc contains an invalid address',
  40856: 'bcc contains an invalid address',
  40859: 'respEmailId is invalid',
  40861: 'gzipCompress is not supported: send html and plain uncompressed',
  40869: 'headers are invalid',
  40870: 'html and plain are both empty',
  40871: 'html is invalid',
  40874: 'useAddressList is invalid: true or false',
  40879: 'replyTo is invalid, or more than 3 addresses',
  40913: 'request quota exceeded',
} as const

export type SendCloudCode = keyof typeof SENDCLOUD_MESSAGES

export type SendCloudEnvelope = { readonly result: boolean; readonly statusCode: number; readonly message: string; readonly info: object }

/** Codes of a successful operation. */
const SUCCESS_CODES: ReadonlySet<SendCloudCode> = new Set([200, 40401, 40403, 40601])

/** Builds the envelope of a code. `message` replaces the standard message. Total. */
export function createEnvelope(code: SendCloudCode, info: object = {}, message: string = SENDCLOUD_MESSAGES[code]): SendCloudEnvelope {
  return { result: SUCCESS_CODES.has(code), statusCode: code, message, info }
}

/** The only response that SendCloud spells with a lower-case `statuscode`. */
export const RATE_LIMITED_ENVELOPE = { result: false, statuscode: 50_000, message: 'interface frequency limited', info: {} } as const
