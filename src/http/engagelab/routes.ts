/**
 * routes - the routes of the EngageLab API
 *
 * These paths under /v1 are reserved for EngageLab; our own API uses others (`/v1/suppressions/…`).
 *
 * See also: http/engagelab/operation, docs/SENDCLOUD.md.
 */
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { acceptEmptyJson } from '../server/empty-body.ts'
import { describeError } from '../server/problem.ts'
import type { HttpServer } from '../server/http-server.ts'
import type { HttpServices } from '../services/http-services.ts'
import { runEngageLabOperation, sendEngageLabRefusal, sendEngageLabRateLimited } from './operation.ts'
import type { EngageLabDependencies, EngageLabOperation } from './operation.ts'
import {
  createAddEntriesOperation,
  addEngageLabUnsubscribes,
  createEngageLabDeleteOperation,
  createDeleteEntriesOperation,
  createListEntriesOperation,
  createEngageLabListOperation,
} from './lists.ts'
import { listEngageLabStatuses } from './email-status.ts'
import { addEngageLabLabel, getEngageLabLabel, listEngageLabLabels, removeEngageLabLabel, renameEngageLabLabel } from './labels.ts'
import { refuseEngageLabCalendar, refuseEngageLabTemplate, sendEngageLabMail, sendEngageLabMime } from './mail-send.ts'
import { listEngageLabDailyStatistics, listEngageLabHourlyStatistics } from './statistics.ts'

/** The services that the operations need together. */
type EngageLabServices = Pick<HttpServices, 'accounts' | 'messages' | 'suppressions' | 'blockAllow' | 'labels' | 'statistics' | 'submit'>

/** Attachments of 10 MiB in base64, or MIME of 20 MiB as a JSON text, and the rest of a mail. */
const MAX_MAIL_BODY_BYTES = 32 * 1024 * 1024

const ENGAGELAB_ROUTES = [
  ['POST', '/v1/mail/send', sendEngageLabMail],
  ['POST', '/v1/mail/send_mime', sendEngageLabMime],
  ['POST', '/v1/mail/sendtemplate', refuseEngageLabTemplate],
  ['POST', '/v1/mail/sendcalendar', refuseEngageLabCalendar],
  ['GET', '/v1/labels', listEngageLabLabels],
  ['POST', '/v1/labels', addEngageLabLabel],
  ['GET', '/v1/labels/:label_id', getEngageLabLabel],
  ['PUT', '/v1/labels/:label_id', renameEngageLabLabel],
  ['DELETE', '/v1/labels/:label_id', removeEngageLabLabel],
  ['GET', '/v1/stats_day', listEngageLabDailyStatistics],
  ['GET', '/v1/stats_hour', listEngageLabHourlyStatistics],
  ['GET', '/v1/email_status', listEngageLabStatuses],
  ['GET', '/v1/bounces', createEngageLabListOperation('bounce')],
  ['GET', '/v1/complaints', createEngageLabListOperation('complaint')],
  ['DELETE', '/v1/complaints', createEngageLabDeleteOperation('complaint')],
  ['GET', '/v1/unsubscribes', createEngageLabListOperation('unsubscribe')],
  ['POST', '/v1/unsubscribes', addEngageLabUnsubscribes],
  ['DELETE', '/v1/unsubscribes', createEngageLabDeleteOperation('unsubscribe')],
  ['GET', '/v1/blocks', createListEntriesOperation('block')],
  ['POST', '/v1/blocks', createAddEntriesOperation('block')],
  ['DELETE', '/v1/blocks', createDeleteEntriesOperation('block')],
  ['GET', '/v1/no_interceptions', createListEntriesOperation('allow')],
  ['POST', '/v1/no_interceptions', createAddEntriesOperation('allow')],
  ['DELETE', '/v1/no_interceptions', createDeleteEntriesOperation('allow')],
] as const satisfies readonly (readonly [string, string, EngageLabOperation<EngageLabServices, object>])[]

export function addEngageLabRoutes(server: HttpServer, dependencies: EngageLabDependencies<EngageLabServices>): void {
  // A scope of its own, so that framework errors use EngageLab's format too.
  void server.register(async (scope) => {
    const typedScope = scope.withTypeProvider<ZodTypeProvider>()
    acceptEmptyJson(typedScope)
    typedScope.setErrorHandler((error, _request, reply) => {
      const { status, code, detail } = describeError(error)
      if (code === 'overloaded') return sendEngageLabRateLimited(reply)
      return status < 500 ? reply.code(status).send({ code: status, message: detail }) : sendEngageLabRefusal(reply, { code: 501 })
    })
    for (const [method, url, operation] of ENGAGELAB_ROUTES) {
      typedScope.route({
        method,
        url,
        schema: { hide: true },
        ...(url.startsWith('/v1/mail/') ? { bodyLimit: MAX_MAIL_BODY_BYTES } : {}),
        handler: (request, reply) => runEngageLabOperation(dependencies, operation, request, reply),
      })
    }
  })
}
