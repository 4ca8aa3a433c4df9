/**
 * operation - one call of EngageLab's face: HTTP Basic, parameters of query and JSON body as one bag, its own answers and errors
 *
 * A good answer is `{ result, count, total }`; a refusal is an HTTP status with `{ code, message }`, its codes those of the sister face
 * (http/sendcloud/envelope), since both are doors of one engine. Parameters that we do not know are ignored, as that vendor does.
 *
 * See also: http/engagelab/routes, http/server/authenticate, docs/SENDCLOUD.md.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { AccountSettings } from '../../ledger/account-settings.ts'
import type { Telemetry } from '../../telemetry.ts'
import type { Asker } from '../../service/submit/register.ts'
import type { Desk } from '../services.ts'
import { guessingIn, identify } from '../server/authenticate.ts'
import type { Gate } from '../server/authenticate.ts'
import { CODES } from '../sendcloud/envelope.ts'
import type { VendorCode } from '../sendcloud/envelope.ts'
import { bagOf } from '../sendcloud/parameters.ts'
import type { Bag } from '../sendcloud/parameters.ts'

export type EngageLabFace = { readonly desk: Desk; readonly gate: Gate; readonly telemetry: Telemetry }

export type Call = {
  readonly bag: Bag
  readonly by: Asker
  readonly desk: Desk
  readonly settings: AccountSettings
  readonly now: number
}

export type Listed = { readonly result: readonly object[]; readonly count: number; readonly total: number }
export type Refused = { readonly code: VendorCode }
export type Operation = (call: Call) => Promise<Listed | Refused>

/** The codes in this face's own parameter names, where the other face's differ. */
const WORDS: Partial<Record<VendorCode, string>> = {
  40001: 'offset is empty',
  40002: 'offset is invalid',
  40007: 'send_date (start_date) is missing or invalid, the form is yyyy-MM-dd',
  40008: 'end_date is missing or invalid, or the span is too long; the form is yyyy-MM-dd',
  40011: 'email (email_or_domain) is empty',
  40012: 'email (email_or_domain) is invalid',
  40014: 'label_id is empty',
  40015: 'label_id is invalid',
  40016: 'api_user is invalid',
}

const HTTP: Partial<Record<VendorCode, number>> = { 40005: 401, 501: 500 }

/** Refuses by a code. */
export function refuse(reply: FastifyReply, code: VendorCode): FastifyReply {
  if (code === 40005) void reply.header('www-authenticate', 'Basic realm="bounced", charset="UTF-8"')
  return reply.code(HTTP[code] ?? 400).send({ code, message: WORDS[code] ?? CODES[code] })
}

/** Too much at the moment. */
export function refuseOften(reply: FastifyReply): FastifyReply {
  return reply.code(429).header('retry-after', '60').send({ code: 50_000, message: 'interface frequency limited' })
}

/** Runs one operation. Total: any request gets an answer. */
export async function answer(face: EngageLabFace, operation: Operation, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  try {
    const identity = await identify(face.gate, request)
    if (identity.kind !== 'account') return refuse(reply, 40005)
    const by: Asker = { account: identity.account, apiUser: identity.apiUser, ip: request.ip }
    const settings = await face.desk.settings(by.account)
    const bag = bagOf(joined(request.query), joined(request.body))
    const said = await operation({ bag, by, desk: face.desk, settings, now: face.desk.now() })
    return 'code' in said ? refuse(reply, said.code) : said
  } catch (error) {
    return refuseError(face, error, request, reply)
  }
}

function refuseError({ telemetry }: EngageLabFace, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const code = error instanceof Fault ? error.code : null
  if (code === 'unauthenticated' || guessingIn(error) !== null) return refuse(reply, 40005)
  if (code === 'rate_limited') return refuseOften(reply)
  telemetry.log.error({ requestId: request.id, route: request.routeOptions.url, err: error }, 'request failed')
  return refuse(reply, 501)
}

/** Lists of a JSON body as the text that the tables read. */
function joined(source: unknown): unknown {
  if (typeof source !== 'object' || source === null) return source
  return Object.fromEntries(Object.entries(source).map(([name, value]) => [name, Array.isArray(value) ? value.join(';') : value]))
}
