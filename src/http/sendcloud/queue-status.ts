/**
 * queue-status - `/webapi/queueStatus.get.json`: where an account's mail waits, in the vendor's oldest envelope
 *
 *     {"message":"success","queueStatus":[{"apiUser":"alice","domain":"qq.com","isStop":true,"reason":"Domain limitation","timeout":1800,"unRequestNum":420}]}
 *
 * `timeout` counts seconds to the next sending time: null for a lane that runs, or that only an operator lets go. Lanes in which nothing
 * waits and nothing stops are left out. Errors are `{"message":"error","errors":[…]}`; HTTP 200 whatever comes.
 *
 * See also: http/api/queue (our own face), docs/QUEUE.md.
 */
import type { FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { LaneStatus } from '../../queue/observe/lane-view.ts'
import type { LaneRow } from '../../store/queue/lane-snapshots.ts'
import type { Desk } from '../services.ts'
import type { Web } from '../server/server.ts'
import { type VendorFace, signIn } from './operation.ts'
import { TOO_OFTEN } from './envelope.ts'
import { bagOf } from './parameters.ts'

type Line = {
  readonly apiUser: string
  readonly domain: string
  readonly isStop: boolean
  readonly reason: string
  readonly timeout: number | null
  readonly unRequestNum: number
}

const failed = (error: string) => ({ message: 'error', errors: [error] })

/** Lanes read at once. */
const PAGE = 1_000
/** More domains than that no console shows. */
const MOST_PAGES = 20

export function addQueueStatus(server: Web, face: VendorFace): void {
  void server.register(async (scope) => {
    scope.setErrorHandler((_error, _request, reply) => reply.code(200).send(failed('the request cannot be read')))
    scope.route({
      method: ['GET', 'POST'],
      url: '/webapi/queueStatus.get.json',
      schema: { hide: true },
      handler: (request) => tell(face, request),
    })
  })
}

async function tell({ desk, gate, telemetry }: VendorFace, request: FastifyRequest): Promise<object> {
  try {
    const by = await signIn(gate, bagOf(request.query, request.body), request.ip)
    if (by === null) return failed('authentication failed')
    const rows = await lanesOf(desk, by.account)
    return { message: 'success', queueStatus: rows.flatMap((row) => lineOf(by.apiUser, row.status, desk.now()) ?? []) }
  } catch (error) {
    if (error instanceof Fault && error.code === 'unauthenticated') return failed('authentication failed')
    if (error instanceof Fault && error.code === 'rate_limited') return TOO_OFTEN
    telemetry.log.error({ requestId: request.id, route: request.routeOptions.url, err: error }, 'request failed')
    return failed('server exception')
  }
}

async function lanesOf(desk: Desk, account: number): Promise<readonly LaneRow[]> {
  const rows: LaneRow[] = []
  for (let page = 0; page < MOST_PAGES; page++) {
    const found = await desk.queue.lanes({ account, domain: null, after: rows.at(-1) ?? null, limit: PAGE })
    rows.push(...found)
    if (found.length < PAGE) break
  }
  return rows
}

function lineOf(apiUser: string, lane: LaneStatus, now: number): Line | null {
  const { domain, isStopped: isStop, nextSendingAt, waiting: unRequestNum } = lane
  if (!isStop && unRequestNum === 0) return null
  const timeout = isStop && nextSendingAt !== null ? Math.max(0, Math.ceil((nextSendingAt - now) / 1_000)) : null
  return { apiUser, domain, isStop, reason: isStop ? (lane.reason ?? '') : '', timeout, unRequestNum }
}
