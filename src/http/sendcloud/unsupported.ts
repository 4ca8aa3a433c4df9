/**
 * unsupported - what the SendCloud API says to operations that this product does not have
 *
 * Templates, address lists, calendars and text messages belong to the vendor's console. The refusal says so, and what to use instead.
 *
 * Pure, total. See also: http/sendcloud/routes, docs/SENDCLOUD.md.
 */

/** By operation, or by module (the part before the slash), in lower case. */
const REFUSALS: Readonly<Record<string, string>> = {
  'mail/sendtemplate': 'templates are not supported: send html with mail/send',
  'mail/sendcalendar': 'calendars are not supported: send html with mail/send',
  'mail/taskinfo': 'address lists are not supported, so there are no tasks of them',
  'bounce/add': 'the bounce list takes addresses from bounces only: use block/add to block an address',
  'complaint/add': 'the complaint list takes addresses from complaints only: use block/add to block an address',
  'spamreported/add': 'the complaint list takes addresses from complaints only: use block/add to block an address',
  template: 'templates are not supported: send html with mail/send',
  addresslist: 'address lists are not supported: name the recipients in to or xsmtpapi',
  addressmember: 'address lists are not supported: name the recipients in to or xsmtpapi',
  task: 'address lists are not supported, so there are no tasks of them',
  calendar: 'calendars are not supported: send html with mail/send',
  sms: 'text messages are not supported',
  voice: 'voice messages are not supported',
  apiuser: 'API users are managed with bounced account add',
  domain: 'domains are managed with bounced dkim add and the account setting senderDomains',
}

/** The refusal of an operation, by its path behind the prefix. */
export function refuseOperation(path: string): string {
  const operation = path
    .replace(/[?#].*$/s, '')
    .replace(/^\/|\/$/g, '')
    .toLowerCase()
  const [module = ''] = operation.split('/')
  const refusal = Object.hasOwn(REFUSALS, operation) ? REFUSALS[operation] : Object.hasOwn(REFUSALS, module) ? REFUSALS[module] : undefined
  return refusal ?? `there is no operation ${operation.slice(0, 64)} for this method; use GET or POST`
}
