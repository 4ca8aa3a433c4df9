/**
 * webapi-routes - SendCloud's first API, `/webapi/<module>.<action>.json`, which old clients still use
 *
 *     {"message":"success","email_id_list":["…0$joe@example.com"]}   {"message":"error","errors":["authentication failed"]}
 *
 * Runs the operations of today with the older names of parameters. mail.send returns IDs only if the client asks for them
 * (`resp_email_id=true`). Whatever does not exist, other formats included, returns an error in HTTP 200, so that no client assumes success.
 *
 * See also: http/sendcloud/webapi/webapi-operations, http/sendcloud/queue-status (the call with a route of its own), docs/SENDCLOUD.md.
 */
import type { FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { skipHeadRequests } from '../head-requests.ts'
import type { HttpServer } from '../../server/http-server.ts'
import type { AccountService } from '../../services/accounts.ts'
import { runSendCloudOperation, isOverloaded } from '../operation.ts'
import type { SendCloudDependencies, SendCloudOperation } from '../operation.ts'
import { createSendOperation, type SendNeeds } from '../mail-send.ts'
import { readSendRequest, MAX_SEND_BODY_BYTES, keepFormsRaw } from '../mail-send-routes.ts'
import type { RequestParameters } from '../parameters.ts'
import { createWebApiError, emailIds, toWebApiResponse, WEBAPI_RATE_LIMITED } from './responses.ts'
import { listWebApiDomains, listWebApiUsers, refuseWebApiOperation, WEBAPI_OPERATIONS } from './webapi-operations.ts'

type WebApiNeeds = SendNeeds & { readonly accounts: Pick<AccountService, 'findProfile'> }

/** The old names of parameters, and their current names. */
const PARAMETER_ALIASES: Readonly<Record<string, string>> = {
  resp_email_id: 'respEmailId',
  label: 'labelId',
  send_request_id: 'sendRequestId',
  api_user_list: 'apiUserList',
  label_id: 'labelId',
  label_id_list: 'labelIdList',
  domain_list: 'domainList',
}

/** `operations` are those of `/api`, by name. */
export function addWebApiRoutes<Needs extends WebApiNeeds>(
  scope: HttpServer,
  dependencies: SendCloudDependencies<Needs>,
  operations: Readonly<Record<string, SendCloudOperation<Needs>>>,
): void {
  const known = { ...operations, 'apiUser.list': listWebApiUsers, 'domain.list': listWebApiDomains }
  void scope.register(async (inner) => {
    const typedScope = inner.withTypeProvider<ZodTypeProvider>()
    skipHeadRequests(typedScope)
    keepFormsRaw(typedScope)
    typedScope.setErrorHandler((error, _request, reply) =>
      reply.code(200).send(isOverloaded(error) ? WEBAPI_RATE_LIMITED : createWebApiError('the request cannot be read')),
    )
    const schema = { hide: true }
    typedScope.route({
      method: ['GET', 'POST'],
      url: '/webapi/mail.send.json',
      bodyLimit: MAX_SEND_BODY_BYTES,
      schema,
      handler: (request) => handleSend(dependencies, request),
    })
    for (const url of ['/webapi', '/webapi/*']) typedScope.all(url, { schema }, (request) => handleCall(dependencies, known, request))
  })
}

async function handleSend(dependencies: SendCloudDependencies<SendNeeds>, request: FastifyRequest): Promise<object> {
  const { parameters, files } = await readSendRequest(request)
  const sent = await runSendCloudOperation(dependencies, createSendOperation(files), request, renameParameters(parameters))
  return toWebApiResponse(sent, emailIds)
}

async function handleCall<Needs>(
  dependencies: SendCloudDependencies<Needs>,
  operations: Readonly<Record<string, SendCloudOperation<Needs>>>,
  request: FastifyRequest,
): Promise<object> {
  if (request.method !== 'GET' && request.method !== 'POST') return createWebApiError(`${request.method} is not supported: use GET or POST`)
  const path = request.url.replace(/[?#].*$/s, '').replace(/^\/webapi\/?/, '')
  const [, name = '', format = ''] = /^(.*?)(?:\.(json|xml))?\/?$/i.exec(path) ?? []
  const call = name.toLowerCase()
  const row = Object.hasOwn(WEBAPI_OPERATIONS, call) ? WEBAPI_OPERATIONS[call] : undefined
  const operation = row === undefined ? undefined : operations[row.operation]
  const isKnown = row !== undefined || call === 'mail.send' || call === 'queuestatus.get'
  if (isKnown && format.toLowerCase() !== 'json') return createWebApiError(`only JSON is supported: call /webapi/${name}.json`)
  if (row === undefined || operation === undefined) return createWebApiError(refuseWebApiOperation(call))
  const { parameters } = await readSendRequest(request)
  return toWebApiResponse(await runSendCloudOperation(dependencies, operation, request, renameParameters(parameters)), row.toFields)
}

function renameParameters(parameters: RequestParameters): RequestParameters {
  return new Map([['respEmailId', 'false'], ...[...parameters].map(([name, value]) => [PARAMETER_ALIASES[name] ?? name, value] as const)])
}
