/**
 * routes - the vendor's operations by their names, under both prefixes
 *
 * See also: http/sendcloud/operation, docs/SENDCLOUD.md.
 */
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { takeEmptyJson } from '../server/empty-body.ts'
import type { Web } from '../server/server.ts'
import { answer, envelopeOf } from './operation.ts'
import type { Operation, VendorFace } from './operation.ts'
import { emailStatus } from './email-status.ts'
import { listEngagement } from './engagement.ts'
import { addAllowed, addBlocks, deleteAllowed, deleteBlocks, listAllowed, listBlocks } from './block-allow.ts'
import { envelope } from './envelope.ts'
import { addLabel, deleteLabel, getLabel, listLabels, updateLabel } from './labels.ts'
import { addMailSend } from './mail-send-routes.ts'
import {
  addUnsubscribe,
  countOperation,
  deleteOperation,
  listOperation,
  viewBounce,
  viewComplaint,
  viewSpamReported,
  viewUnsubscribe,
} from './lists.ts'
import { listDays, listHours, listInvalid } from './statistics.ts'
import { getUserInfo } from './user-info.ts'
import { addWebApi } from './legacy-webapi.ts'
import { addWebhook, deleteWebhook, listWebhooks, updateWebhook } from './webhooks.ts'

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'data/emailStatus': emailStatus,
  'bounce/list': listOperation('bounce', viewBounce),
  'bounce/count': countOperation('bounce'),
  'bounce/delete': deleteOperation('bounce', 40601),
  'complaint/list': listOperation('complaint', viewComplaint),
  'complaint/count': countOperation('complaint'),
  'complaint/delete': deleteOperation('complaint', 200),
  'spamreported/list': listOperation('complaint', viewSpamReported),
  'spamreported/count': countOperation('complaint'),
  'spamreported/delete': deleteOperation('complaint', 200),
  'unsubscribe/list': listOperation('unsubscribe', viewUnsubscribe),
  'unsubscribe/count': countOperation('unsubscribe'),
  'unsubscribe/add': addUnsubscribe,
  'unsubscribe/delete': deleteOperation('unsubscribe', 40403),
  'block/list': listBlocks,
  'block/add': addBlocks,
  'block/delete': deleteBlocks,
  'unintercept/list': listAllowed,
  'unintercept/add': addAllowed,
  'unintercept/delete': deleteAllowed,
  'statday/list': listDays,
  'stathour/list': listHours,
  'invalidstat/list': listInvalid,
  'openandclick/list': listEngagement,
  'label/list': listLabels,
  'label/get': getLabel,
  'label/add': addLabel,
  'label/update': updateLabel,
  'label/delete': deleteLabel,
  'userinfo/get': getUserInfo,
  'webhook/list': listWebhooks,
  'webhook/add': addWebhook,
  'webhook/update': updateWebhook,
  'webhook/delete': deleteWebhook,
}

/** `api` is current, `apiv2` older; both answer the same. */
const PREFIXES = ['/api', '/apiv2'] as const

export function addVendor(server: Web, face: VendorFace): void {
  // A scope of its own, so that what the framework refuses comes in the vendor's envelope too.
  void server.register(async (scope) => {
    scope.setErrorHandler((error, _request, reply) => reply.code(200).send(envelopeOf(error)))
    const own = scope.withTypeProvider<ZodTypeProvider>()
    takeEmptyJson(own)
    addOperations(own, face)
    addMailSend(own, face, PREFIXES)
    addWebApi(own, face)
  })
}

function addOperations(server: Web, face: VendorFace): void {
  for (const prefix of PREFIXES) {
    // The vendor has no code for an operation that there is not, or that is asked by another method.
    server.all(`${prefix}/*`, { schema: { hide: true } }, (_request, reply) => reply.code(200).send(envelope(501)))
    for (const [name, operation] of Object.entries(OPERATIONS)) {
      server.route({
        method: ['GET', 'POST'],
        url: `${prefix}/${name}`,
        schema: { hide: true },
        handler: (request) => answer(face, operation, request),
      })
    }
  }
}
