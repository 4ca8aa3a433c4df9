/**
 * queue-status - SendCloud's `/webapi/queueStatus.get.json`: the lanes of an account that have queued messages or are stopped
 *
 *     {"message":"success","queueStatus":[{"apiUser":"alice","domain":"qq.com","isStop":true,"reason":"Domain limitation","timeout":1800,"unRequestNum":420}]}
 *
 * `timeout` is the number of seconds until the next sending time; null for a lane that is running, or that only the operator can release. Empty
 * lanes that are running are left out. An error is `{"message":"error","errors":[…]}`; the response is always HTTP 200.
 *
 * See also: http/api/queue (our own API), docs/QUEUE.md.
 */
import type { FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { LaneStatus } from '../../queue/observe/lane-view.ts'
import type { LaneSnapshotRow } from '../../store/queue/lane-snapshots.ts'
import type { QueueApi } from '../../service/deliver/queue-api.ts'
import { skipHeadRequests } from './head-requests.ts'
import type { HttpServer } from '../server/http-server.ts'
import { type SendCloudDependencies, authenticateParameters, isOverloaded } from './operation.ts'
import { collectParameters } from './parameters.ts'
import { createWebApiError, WEBAPI_RATE_LIMITED } from './webapi/responses.ts'

type QueueStatusNeeds = { readonly queue: Pick<QueueApi, 'listLanes'> }

type QueueStatusRow = {
  readonly apiUser: string
  readonly domain: string
  readonly isStop: boolean
  readonly reason: string
  readonly timeout: number | null
  readonly unRequestNum: number
}

/** Lanes per query. */
const LANES_PER_READ = 1_000
/** Limits the response to 20,000 lanes. */
const MAX_PAGES = 20

export function addQueueStatusRoute(server: HttpServer, dependencies: SendCloudDependencies<QueueStatusNeeds>): void {
  void server.register(async (scope) => {
    skipHeadRequests(scope)
    scope.setErrorHandler((error, _request, reply) =>
      reply.code(200).send(isOverloaded(error) ? WEBAPI_RATE_LIMITED : createWebApiError('the request cannot be read')),
    )
    scope.route({
      method: ['GET', 'POST'],
      url: '/webapi/queueStatus.get.json',
      schema: { hide: true },
      handler: (request) => getQueueStatus(dependencies, request),
    })
  })
}

async function getQueueStatus(
  { services, authenticator, telemetry }: SendCloudDependencies<QueueStatusNeeds>,
  request: FastifyRequest,
): Promise<object> {
  try {
    const caller = await authenticateParameters(authenticator, collectParameters(request.query, request.body), request.ip)
    if (caller === null) return createWebApiError('authentication failed')
    const rows = await readAllLanes(services.queue, caller.account)
    return { message: 'success', queueStatus: rows.flatMap((row) => toQueueStatusRow(caller.apiUser, row.status, services.now()) ?? []) }
  } catch (error) {
    if (error instanceof Fault && error.code === 'unauthenticated') return createWebApiError('authentication failed')
    if (error instanceof Fault && error.code === 'rate_limited') return WEBAPI_RATE_LIMITED
    telemetry.log.error({ requestId: request.id, route: request.routeOptions.url, err: error }, 'request failed')
    return createWebApiError('server exception')
  }
}

async function readAllLanes(queue: QueueStatusNeeds['queue'], account: number): Promise<readonly LaneSnapshotRow[]> {
  const rows: LaneSnapshotRow[] = []
  for (let page = 0; page < MAX_PAGES; page++) {
    const found = await queue.listLanes({ account, domain: null, after: rows.at(-1) ?? null, limit: LANES_PER_READ })
    rows.push(...found)
    if (found.length < LANES_PER_READ) break
  }
  return rows
}

function toQueueStatusRow(apiUser: string, lane: LaneStatus, now: number): QueueStatusRow | null {
  const { domain, isStopped: isStop, nextSendingAt, waiting: unRequestNum } = lane
  if (!isStop && unRequestNum === 0) return null
  const timeout = isStop && nextSendingAt !== null ? Math.max(0, Math.ceil((nextSendingAt - now) / 1_000)) : null
  return { apiUser, domain, isStop, reason: isStop ? (lane.reason ?? '') : '', timeout, unRequestNum }
}
