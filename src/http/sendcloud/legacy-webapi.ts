/**
 * legacy-webapi - the vendor's first API: /webapi/mail.send.json, which old clients still call
 *
 *     {"message":"success","email_id_list":["…0$joe@example.com"]}   {"message":"error","errors":["authentication failed"]}
 *
 * The same operation under older names; ids are told only to who asks for them (`resp_email_id=true`). Templates and address lists are a
 * console's, and ours to refuse: in words, so that nobody takes a mail for sent that was not.
 *
 * See also: http/sendcloud/mail-send, http/sendcloud/queue-status (its other call), docs/SENDCLOUD.md.
 */
import type { FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { Web } from '../server/server.ts'
import { answer, isOverloaded } from './operation.ts'
import type { VendorFace } from './operation.ts'
import { TOO_OFTEN, type Envelope } from './envelope.ts'
import { sendMail } from './mail-send.ts'
import { readSend, SEND_BYTES, takeWholeForms } from './mail-send-routes.ts'
import type { Bag } from './parameters.ts'

/** What the present API calls otherwise. */
const RENAMED: Readonly<Record<string, string>> = {
  resp_email_id: 'respEmailId',
  label: 'labelId',
  send_request_id: 'sendRequestId',
}

const failed = (error: string): object => ({ message: 'error', errors: [error] })

/** Calls that need what only the vendor's console has. */
const REFUSED = {
  'mail.send_template.json': 'templates are not kept here: send html by mail.send.json',
  'list.get.json': 'address lists are not kept here',
  'list.create.json': 'address lists are not kept here',
  'list.update.json': 'address lists are not kept here',
  'list.delete.json': 'address lists are not kept here',
  'list_member.get.json': 'address lists are not kept here',
  'list_member.add.json': 'address lists are not kept here',
  'list_member.update.json': 'address lists are not kept here',
  'list_member.delete.json': 'address lists are not kept here',
} as const

export function addWebApi(scope: Web, face: VendorFace): void {
  void scope.register(async (inner) => {
    const own = inner.withTypeProvider<ZodTypeProvider>()
    takeWholeForms(own)
    own.setErrorHandler((error, _request, reply) =>
      reply.code(200).send(failed(isOverloaded(error) ? TOO_OFTEN.message : 'the request cannot be read')),
    )
    const method = ['GET', 'POST']
    const schema = { hide: true }
    own.route({ method, url: '/webapi/mail.send.json', bodyLimit: SEND_BYTES, schema, handler: (request) => send(face, request) })
    for (const [name, why] of Object.entries(REFUSED))
      own.route({ method, url: `/webapi/${name}`, schema, handler: () => Promise.resolve(failed(why)) })
  })
}

async function send(face: VendorFace, request: FastifyRequest): Promise<object> {
  const { bag, files } = await readSend(request)
  if (/^true$/i.test(bag.get('use_maillist') ?? '')) return failed('address lists are not kept here')
  return inOldWords(await answer(face, sendMail(files), request, renamed(bag)))
}

function renamed(bag: Bag): Bag {
  return new Map([['respEmailId', 'false'], ...[...bag].map(([name, value]) => [RENAMED[name] ?? name, value] as const)])
}

function inOldWords(said: Envelope | typeof TOO_OFTEN): object {
  if (!('statusCode' in said)) return said
  if (!said.result) return failed(said.message)
  const ids: unknown = Reflect.get(said.info, 'emailIdList')
  return { message: 'success', ...(ids === undefined ? {} : { email_id_list: ids }) }
}
