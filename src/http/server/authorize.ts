/**
 * authorize - in whose name a route acts
 *
 * An account acts for itself, and may name nobody else. The operator acts for the account that `?account=apiUser` names; where nothing is named, routes that show
 * everybody's things show them, others ask for the name.
 *
 * See also: http/server/authenticate.
 */
import type { FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { Asker } from '../../service/submit/register.ts'
import { identify } from './authenticate.ts'
import type { Gate } from './authenticate.ts'

export type Guard = {
  /**
   * Faults: unauthenticated, rate_limited, forbidden (an account names another), bad_request (the operator named none), not_found (nobody
   * bears that name).
   */
  readonly account: (request: FastifyRequest) => Promise<Asker>
  /** As `account`, but null for the operator who named none: everybody's. */
  readonly anyone: (request: FastifyRequest) => Promise<Asker | null>
  /** Faults: unauthenticated, rate_limited, forbidden (an account asks for what is the operator's). */
  readonly operator: (request: FastifyRequest) => Promise<void>
}

export type GuardOptions = { readonly gate: Gate; readonly accountOf: (apiUser: string) => Promise<number | null> }

export function createGuard({ gate, accountOf }: GuardOptions): Guard {
  const isOwn = async (own: { readonly account: number; readonly apiUser: string }, named: string): Promise<boolean> =>
    named === own.apiUser || (await accountOf(named)) === own.account
  const anyone = async (request: FastifyRequest): Promise<Asker | null> => {
    const identity = await identify(gate, request)
    const named = namedAccount(request.query)
    if (identity.kind === 'account') {
      if (named !== null && !(await isOwn(identity, named)))
        throw new Fault('forbidden', 'account: only the operator names another account')
      return { account: identity.account, apiUser: identity.apiUser, ip: request.ip }
    }
    if (named === null) return null
    const account = await accountOf(named)
    if (account === null) throw new Fault('not_found', 'no account bears that name')
    return { account, apiUser: named, ip: request.ip, byOperator: true }
  }
  const account = async (request: FastifyRequest): Promise<Asker> => {
    const asker = await anyone(request)
    if (asker === null) throw new Fault('bad_request', 'the operator names the account: ?account=apiUser')
    return asker
  }
  const operator = async (request: FastifyRequest): Promise<void> => {
    const { kind } = await identify(gate, request)
    if (kind !== 'operator') throw new Fault('forbidden', 'this is for the operator')
  }
  return { account, anyone, operator }
}

function namedAccount(query: unknown): string | null {
  const named: unknown = typeof query === 'object' && query !== null && 'account' in query ? query.account : null
  return typeof named === 'string' && named !== '' ? named : null
}
