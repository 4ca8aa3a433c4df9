/**
 * mail-codes - EngageLab's codes for the fields of a mail
 *
 * Its page "Deliveries" shows 30801 for an empty from and 30893 for custom_args: the numbers of SendCloud's table less 10,000. A field without a code
 * there gets 400. The message names the field.
 *
 * Pure. See also: http/engagelab/mail-body (reads the fields), docs/SENDCLOUD.md.
 */
import type { EngageLabRefusal } from './operation.ts'

type FieldCodes = { readonly empty: number; readonly invalid: number; readonly tooMany?: number }

const NO_CODE = 400

/** By field; a field inside of one without a row has the row of the outer one. */
const FIELD_CODES: Readonly<Record<string, FieldCodes>> = {
  from: { empty: 30_801, invalid: 30_802 },
  to: { empty: 30_805, invalid: 30_806, tooMany: 30_807 },
  custom_args: { empty: 30_893, invalid: 30_893 },
  'body.cc': { empty: 30_853, invalid: 30_853, tooMany: 30_854 },
  'body.bcc': { empty: 30_856, invalid: 30_856, tooMany: 30_857 },
  'body.reply_to': { empty: 30_879, invalid: 30_879 },
  'body.subject': { empty: 30_808, invalid: 30_809 },
  'body.content': { empty: 30_870, invalid: 30_870 },
  'body.content.html': { empty: 30_870, invalid: 30_871 },
  'body.content.text': { empty: 30_870, invalid: 30_831 },
  'body.vars': { empty: 30_813, invalid: 30_813 },
  'body.label_id': { empty: 30_014, invalid: 30_015 },
  'body.label_name': { empty: 30_104, invalid: 30_105 },
  'body.headers': { empty: 30_868, invalid: 30_869 },
  'body.attachments': { empty: 30_867, invalid: 30_867, tooMany: 30_819 },
  'body.settings.return_email_id': { empty: 30_858, invalid: 30_859 },
}

/** What is wrong with a field. */
export type FieldProblem = keyof FieldCodes

const WORDS = { empty: 'is empty', invalid: 'is invalid', tooMany: 'is over the limit' } as const satisfies Record<FieldProblem, string>

/** The refusal of a field, such as `body.subject`; `detail` says more. Total. */
export function refuseField(field: string, problem: FieldProblem, detail = ''): EngageLabRefusal {
  const parts = field.split('.')
  const known = parts.map((_, end) => parts.slice(0, parts.length - end).join('.')).find((outer) => Object.hasOwn(FIELD_CODES, outer))
  const codes = known === undefined ? undefined : FIELD_CODES[known]
  return { code: codes?.[problem] ?? codes?.invalid ?? NO_CODE, message: `${field} ${WORDS[problem]}${detail === '' ? '' : `: ${detail}`}` }
}

/** What this product does not do, with the numbers of SendCloud's table where it has one. */
export const MAIL_REFUSALS = {
  addressLists: { code: 30_820, message: 'body.settings.send_mode 2: address lists are not supported; name the recipients in to' },
  templates: { code: 30_823, message: 'templates are not supported: send html with /v1/mail/send' },
  dynamicVars: { code: NO_CODE, message: 'body.dynamic_vars belongs to templates, which are not supported: use body.vars' },
  calendars: { code: NO_CODE, message: 'calendars are not supported: send html with /v1/mail/send' },
  quota: { code: 30_913, message: 'request quota exceeded' },
  unknownLabel: { code: 30_106, message: 'label not found' },
  foreignSender: { code: 30_802, message: 'from is invalid: this account may not send from this domain' },
} as const satisfies Record<string, EngageLabRefusal>
