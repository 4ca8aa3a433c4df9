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
import type { Caller } from '../../service/caller.ts'
import { authenticateRequest } from './authenticate.ts'
import type { Authenticator } from './authenticate.ts'

export type Authorizer = {
  /**
   * Faults: unauthenticated, rate_limited, forbidden (an account names another), bad_request (the operator named none), not_found (nobody
   * bears that name).
   */
  readonly requireAccount: (request: FastifyRequest) => Promise<Caller>
  /** As `account`, but null for the operator who named none: everybody's. */
  readonly requireAccountOrOperator: (request: FastifyRequest) => Promise<Caller | null>
  /** Faults: unauthenticated, rate_limited, forbidden (an account asks for what is the operator's). */
  readonly requireOperator: (request: FastifyRequest) => Promise<void>
}

export type AuthorizerOptions = { readonly authenticator: Authenticator; readonly findAccount: (apiUser: string) => Promise<number | null> }

export function createAuthorizer({ authenticator, findAccount }: AuthorizerOptions): Authorizer {
  const isOwnName = async (identity: { readonly account: number; readonly apiUser: string }, requestedName: string): Promise<boolean> =>
    requestedName === identity.apiUser || (await findAccount(requestedName)) === identity.account
  const requireAccountOrOperator = async (request: FastifyRequest): Promise<Caller | null> => {
    const identity = await authenticateRequest(authenticator, request)
    const requestedName = readRequestedAccount(request.query)
    if (identity.kind === 'account') {
      if (requestedName !== null && !(await isOwnName(identity, requestedName)))
        throw new Fault('forbidden', 'account: only the operator names another account')
      return { account: identity.account, apiUser: identity.apiUser, ip: request.ip }
    }
    if (requestedName === null) return null
    const account = await findAccount(requestedName)
    if (account === null) throw new Fault('not_found', 'no account bears that name')
    return { account, apiUser: requestedName, ip: request.ip, isOperator: true }
  }
  const account = async (request: FastifyRequest): Promise<Caller> => {
    const caller = await requireAccountOrOperator(request)
    if (caller === null) throw new Fault('bad_request', 'the operator names the account: ?account=apiUser')
    return caller
  }
  const requireOperator = async (request: FastifyRequest): Promise<void> => {
    const { kind } = await authenticateRequest(authenticator, request)
    if (kind !== 'operator') throw new Fault('forbidden', 'this is for the operator')
  }
  return { requireAccount: account, requireAccountOrOperator, requireOperator }
}

function readRequestedAccount(query: unknown): string | null {
  const requestedName: unknown = typeof query === 'object' && query !== null && 'account' in query ? query.account : null
  return typeof requestedName === 'string' && requestedName !== '' ? requestedName : null
}
