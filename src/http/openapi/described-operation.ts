/**
 * described-operation - what the OpenAPI document says about an operation besides its schemas: a description, and an example request that works
 *
 * A route's own `description` wins over the one of its note. The tables are by `METHOD /path`, as the document writes paths.
 *
 * See also: http/server/openapi, http/openapi/mail-operations, http/openapi/account-operations, http/openapi/operator-operations.
 */
import { ACCOUNT_OPERATIONS } from './account-operations.ts'
import { MAIL_OPERATIONS } from './mail-operations.ts'
import type { OperationNote } from './operation-note.ts'
import { OPERATOR_OPERATIONS } from './operator-operations.ts'

const NOTES: Readonly<Record<string, OperationNote>> = { ...MAIL_OPERATIONS, ...ACCOUNT_OPERATIONS, ...OPERATOR_OPERATIONS }

/** Examples of path parameters by name, where the paths below do not say otherwise. */
const PATH_EXAMPLES: Readonly<Record<string, string>> = {
  emailId: '1763700000000_4iv22322224xs.example.com$joe@example.org',
  token: '34io2232222222aaaaaaaaaaaaaaaa',
  file: 'own.toml',
  version: '0123456789ab',
  list: 'bounce',
  domain: 'mail.example.com',
  selector: 'b20261120',
  site: 'google',
  address: 'joe@example.org',
  apiUser: 'shop',
  digest: 'ab'.repeat(32),
  event: '0192f000-0000-7000-8000-000000000001',
  name: 'ann',
  id: '1',
}

/** Examples of `{id}` by the beginning of the path; the first that fits. */
const ID_EXAMPLES: readonly (readonly [string, string])[] = [
  ['/v1/inbox/', 'ab'.repeat(32)],
  ['/v1/route-mails/', 'ab'.repeat(32)],
  ['/v1/queue/orders/', '0192f000-0000-7000-8000-000000000002'],
  ['/v1/reclassifications/', '0192f000-0000-7000-8000-000000000003'],
  ['/v1/exports/', '0192f000-0000-7000-8000-000000000004'],
  ['/v1/broadcasts/', 'spring'],
  ['/v1/rules/', 'google-mailbox-full'],
]

type DocumentedParameter = { readonly name: string; readonly in: string; readonly [member: string]: unknown }
type DocumentedOperation = {
  readonly parameters?: readonly DocumentedParameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, object>> }
  readonly [member: string]: unknown
}

/** An operation of the document with its note. Pure. */
export function addOperationNote(method: string, path: string, operation: DocumentedOperation): DocumentedOperation {
  const note = NOTES[`${method.toUpperCase()} ${path}`]
  const { parameters, requestBody } = operation
  return {
    ...(note === undefined ? {} : { description: note.description }),
    ...operation,
    ...(parameters === undefined ? {} : { parameters: parameters.map((parameter) => withExample(path, parameter, note)) }),
    ...(requestBody === undefined || note?.body === undefined ? {} : { requestBody: withBodyExample(requestBody, note.body) }),
  }
}

function withExample(path: string, parameter: DocumentedParameter, note: OperationNote | undefined): DocumentedParameter {
  const [, id] = ID_EXAMPLES.find(([prefix]) => path.startsWith(prefix)) ?? []
  const ofPath = parameter.name === 'id' ? (id ?? PATH_EXAMPLES['id']) : PATH_EXAMPLES[parameter.name]
  const example = parameter.in === 'path' ? ofPath : note?.query?.[parameter.name]
  return example === undefined ? parameter : { ...parameter, example }
}

function withBodyExample(
  requestBody: NonNullable<DocumentedOperation['requestBody']>,
  example: unknown,
): NonNullable<DocumentedOperation['requestBody']> {
  const content = Object.fromEntries(Object.entries(requestBody.content).map(([type, media]) => [type, { ...media, example }]))
  return { ...requestBody, content }
}
