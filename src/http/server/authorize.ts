/**
 * authorize - decides which account a request acts for
 *
 * An account acts for itself and must not name another account. The operator acts for the account that `?account=apiUser` names. Without a name,
 * routes that can show all accounts do so, and other routes return an error.
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
   * Faults: unauthenticated, rate_limited, forbidden (an account names another account), bad_request (the operator names none), not_found
   * (there is no such account).
   */
  readonly requireAccount: (request: FastifyRequest) => Promise<Caller>
  /** Like `requireAccount`, but null if the operator names no account, which means all accounts. */
  readonly requireAccountOrOperator: (request: FastifyRequest) => Promise<Caller | null>
  /** Faults: unauthenticated, rate_limited, forbidden (the caller is not the operator). */
  readonly requireOperator: (request: FastifyRequest) => Promise<void>
}

type AuthorizerOptions = { readonly authenticator: Authenticator; readonly findAccount: (apiUser: string) => Promise<number | null> }

/** Creates an authorizer. `findAccount` resolves an API user to its account. */
export function createAuthorizer({ authenticator, findAccount }: AuthorizerOptions): Authorizer {
  const isOwnName = async (identity: { readonly account: number; readonly apiUser: string }, requestedName: string): Promise<boolean> =>
    requestedName === identity.apiUser || (await findAccount(requestedName)) === identity.account
  const requireAccountOrOperator = async (request: FastifyRequest): Promise<Caller | null> => {
    const identity = await authenticateRequest(authenticator, request)
    const requestedName = readRequestedAccount(request.query)
    if (identity.kind === 'account') {
      if (requestedName !== null && !(await isOwnName(identity, requestedName)))
        throw new Fault('forbidden', 'account: only the operator may name another account')
      return { account: identity.account, apiUser: identity.apiUser, ip: request.ip }
    }
    if (requestedName === null) return null
    const account = await findAccount(requestedName)
    if (account === null) throw new Fault('not_found', 'no account has this API user')
    return { account, apiUser: requestedName, ip: request.ip, isOperator: true }
  }
  const requireAccount = async (request: FastifyRequest): Promise<Caller> => {
    const caller = await requireAccountOrOperator(request)
    if (caller === null) throw new Fault('bad_request', 'the operator must name an account: ?account=apiUser')
    return caller
  }
  const requireOperator = async (request: FastifyRequest): Promise<void> => {
    const { kind } = await authenticateRequest(authenticator, request)
    if (kind !== 'operator') throw new Fault('forbidden', 'only the operator may do this')
  }
  return { requireAccount, requireAccountOrOperator, requireOperator }
}

function readRequestedAccount(query: unknown): string | null {
  const requestedName: unknown = typeof query === 'object' && query !== null && 'account' in query ? query.account : null
  return typeof requestedName === 'string' && requestedName !== '' ? requestedName : null
}
