/**
 * routes - the table of SendCloud operations, and their routes under both prefixes
 *
 * See also: http/sendcloud/operation, docs/SENDCLOUD.md.
 */
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { acceptEmptyJson } from '../server/empty-body.ts'
import { skipHeadRequests } from './head-requests.ts'
import type { HttpServer } from '../server/http-server.ts'
import { runSendCloudOperation, toErrorEnvelope } from './operation.ts'
import type { SendCloudOperation, SendCloudDependencies } from './operation.ts'
import type { HttpServices } from '../services/http-services.ts'
import { listSendCloudStatuses } from './email-status.ts'
import { listSendCloudEngagement } from './engagement.ts'
import {
  addSendCloudAllowed,
  addSendCloudBlocks,
  deleteSendCloudAllowed,
  deleteSendCloudBlocks,
  listSendCloudAllowed,
  listSendCloudBlocks,
} from './block-allow.ts'
import { createEnvelope } from './envelope.ts'
import { addSendCloudLabel, deleteSendCloudLabel, getSendCloudLabel, listSendCloudLabels, updateSendCloudLabel } from './labels.ts'
import { addMailSendRoutes } from './mail-send-routes.ts'
import {
  addSendCloudUnsubscribe,
  createSendCloudCountOperation,
  createSendCloudDeleteOperation,
  createSendCloudListOperation,
  toBounceRow,
  toComplaintRow,
  toSpamReportedRow,
  toUnsubscribeRow,
} from './lists.ts'
import { listDailyStatistics, listHourlyStatistics, listInvalidStatistics } from './statistics.ts'
import { refuseOperation } from './unsupported.ts'
import { getSendCloudUserInfo } from './user-info.ts'
import { addWebApiRoutes } from './webapi/webapi-routes.ts'
import { addSendCloudWebhook, deleteSendCloudWebhook, listSendCloudWebhooks, updateSendCloudWebhook } from './webhooks.ts'

/** The services that the operations need together. */
type SendCloudServices = Pick<
  HttpServices,
  'accounts' | 'messages' | 'suppressions' | 'blockAllow' | 'statistics' | 'labels' | 'webhooks' | 'submit'
>

const SENDCLOUD_OPERATIONS: Readonly<Record<string, SendCloudOperation<SendCloudServices>>> = {
  'data/emailStatus': listSendCloudStatuses,
  'bounce/list': createSendCloudListOperation('bounce', toBounceRow),
  'bounce/count': createSendCloudCountOperation('bounce'),
  'bounce/delete': createSendCloudDeleteOperation('bounce', 40601),
  'complaint/list': createSendCloudListOperation('complaint', toComplaintRow),
  'complaint/count': createSendCloudCountOperation('complaint'),
  'complaint/delete': createSendCloudDeleteOperation('complaint', 200),
  'spamreported/list': createSendCloudListOperation('complaint', toSpamReportedRow),
  'spamreported/count': createSendCloudCountOperation('complaint'),
  'spamreported/delete': createSendCloudDeleteOperation('complaint', 200),
  'unsubscribe/list': createSendCloudListOperation('unsubscribe', toUnsubscribeRow),
  'unsubscribe/count': createSendCloudCountOperation('unsubscribe'),
  'unsubscribe/add': addSendCloudUnsubscribe,
  'unsubscribe/delete': createSendCloudDeleteOperation('unsubscribe', 40403),
  'block/list': listSendCloudBlocks,
  'block/add': addSendCloudBlocks,
  'block/delete': deleteSendCloudBlocks,
  'unintercept/list': listSendCloudAllowed,
  'unintercept/add': addSendCloudAllowed,
  'unintercept/delete': deleteSendCloudAllowed,
  'statday/list': listDailyStatistics,
  'stathour/list': listHourlyStatistics,
  'invalidstat/list': listInvalidStatistics,
  'openandclick/list': listSendCloudEngagement,
  'label/list': listSendCloudLabels,
  'label/get': getSendCloudLabel,
  'label/add': addSendCloudLabel,
  'label/update': updateSendCloudLabel,
  'label/delete': deleteSendCloudLabel,
  'userinfo/get': getSendCloudUserInfo,
  'webhook/list': listSendCloudWebhooks,
  'webhook/add': addSendCloudWebhook,
  'webhook/update': updateSendCloudWebhook,
  'webhook/delete': deleteSendCloudWebhook,
}

/** `api` is the current prefix and `apiv2` an older one; both behave the same. */
const PREFIXES = ['/api', '/apiv2'] as const

export function addSendCloudRoutes(server: HttpServer, dependencies: SendCloudDependencies<SendCloudServices>): void {
  // A scope of its own, so that framework errors use SendCloud's envelope too.
  void server.register(async (scope) => {
    scope.setErrorHandler((error, _request, reply) => reply.code(200).send(toErrorEnvelope(error)))
    const typedScope = scope.withTypeProvider<ZodTypeProvider>()
    acceptEmptyJson(typedScope)
    skipHeadRequests(typedScope)
    addOperationRoutes(typedScope, dependencies)
    typedScope.all('/smsapi/*', { schema: { hide: true } }, (_request, reply) =>
      reply.code(200).send(createEnvelope(501, {}, refuseOperation('sms'))),
    )
    addMailSendRoutes(typedScope, dependencies, PREFIXES)
    addWebApiRoutes(typedScope, dependencies, SENDCLOUD_OPERATIONS)
  })
}

function addOperationRoutes(server: HttpServer, dependencies: SendCloudDependencies<SendCloudServices>): void {
  for (const prefix of PREFIXES) {
    // SendCloud has no code for an unknown operation or method.
    server.all(`${prefix}/*`, { schema: { hide: true } }, (request, reply) =>
      reply.code(200).send(createEnvelope(501, {}, refuseOperation(request.url.slice(prefix.length + 1)))),
    )
    for (const [name, operation] of Object.entries(SENDCLOUD_OPERATIONS)) {
      server.route({
        method: ['GET', 'POST'],
        url: `${prefix}/${name}`,
        schema: { hide: true },
        handler: (request) => runSendCloudOperation(dependencies, operation, request),
      })
    }
  }
}
