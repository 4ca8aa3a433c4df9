/**
 * authorize - decides which account a request acts for, and whether its user may do this
 *
 * An account acts for itself and must not name another account. The operator, and every user of the console, acts for the account that
 * `?account=apiUser` names. Without a name, routes that can show all accounts do so, and other routes return an error. What a user may do is
 * decided by the role: a route needs `read` if its method is safe, otherwise `operate`, unless its config states a permission.
 *
 * See also: http/server/authenticate, service/users/roles.
 */
import type { FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { Caller } from '../../service/caller.ts'
import { isPermitted, type Permission } from '../../service/users/roles.ts'
import { authenticateRequest, isSafeMethod } from './authenticate.ts'
import type { Authenticator, Identity } from './authenticate.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a user of the console needs for this route; by default `read` for a safe method and `operate` for any other. */
    readonly permission?: Permission
  }
}

/** The operator, or a user of the console. `actor` is the name for audit facts. */
type OperatorCaller = { readonly actor: string }

export type Authorizer = {
  /**
   * Faults: unauthenticated, rate_limited, forbidden (an account names another account, or the role), bad_request (the operator names none),
   * not_found (there is no such account).
   */
  readonly requireAccount: (request: FastifyRequest) => Promise<Caller>
  /** Like `requireAccount`, but null if the operator names no account, which means all accounts. */
  readonly requireAccountOrOperator: (request: FastifyRequest) => Promise<Caller | null>
  /** Faults: unauthenticated, rate_limited, forbidden (the caller is not the operator, or the role). */
  readonly requireOperator: (request: FastifyRequest) => Promise<OperatorCaller>
  /** The same, for a request that `requireAccountOrOperator` has answered with null. */
  readonly operatorOf: (request: FastifyRequest) => OperatorCaller
}

type AuthorizerOptions = { readonly authenticator: Authenticator; readonly findAccount: (apiUser: string) => Promise<number | null> }

/** Creates an authorizer. `findAccount` resolves an API user to its account. */
export function createAuthorizer({ authenticator, findAccount }: AuthorizerOptions): Authorizer {
  const operators = new WeakMap<FastifyRequest, OperatorCaller>()
  const identify = async (request: FastifyRequest): Promise<Identity> => {
    const identity = await authenticateRequest(authenticator, request)
    if (identity.kind === 'user') requirePermission(identity, request)
    if (identity.kind !== 'account') operators.set(request, { actor: identity.kind === 'user' ? `user:${identity.name}` : 'operator' })
    return identity
  }
  const isOwnName = async (identity: { readonly account: number; readonly apiUser: string }, requestedName: string): Promise<boolean> =>
    requestedName === identity.apiUser || (await findAccount(requestedName)) === identity.account
  const requireAccountOrOperator = async (request: FastifyRequest): Promise<Caller | null> => {
    const identity = await identify(request)
    const requestedName = readRequestedAccount(request.query)
    if (identity.kind === 'account') {
      if (requestedName !== null && !(await isOwnName(identity, requestedName)))
        throw new Fault('forbidden', 'account: only the operator may name another account')
      return { account: identity.account, apiUser: identity.apiUser, ip: request.ip }
    }
    if (requestedName === null) return null
    const account = await findAccount(requestedName)
    if (account === null) throw new Fault('not_found', 'no account has this API user')
    const user = identity.kind === 'user' ? { user: identity.name } : {}
    return { account, apiUser: requestedName, ip: request.ip, isOperator: true, ...user }
  }
  const requireAccount = async (request: FastifyRequest): Promise<Caller> => {
    const caller = await requireAccountOrOperator(request)
    if (caller === null) throw new Fault('bad_request', 'the operator must name an account: ?account=apiUser')
    return caller
  }
  const requireOperator = async (request: FastifyRequest): Promise<OperatorCaller> => {
    const { kind } = await identify(request)
    if (kind === 'account') throw new Fault('forbidden', 'only the operator may do this')
    return operatorOf(request)
  }
  const operatorOf = (request: FastifyRequest): OperatorCaller => operators.get(request) ?? { actor: 'operator' }
  return { requireAccount, requireAccountOrOperator, requireOperator, operatorOf }
}

/** Faults: forbidden. */
function requirePermission({ role }: Extract<Identity, { readonly kind: 'user' }>, request: FastifyRequest): void {
  const permission = request.routeOptions.config.permission ?? (isSafeMethod(request) ? 'read' : 'operate')
  if (!isPermitted(role, permission)) throw new Fault('forbidden', `a user with the role ${role} may not do this (it needs: ${permission})`)
}

function readRequestedAccount(query: unknown): string | null {
  const requestedName: unknown = typeof query === 'object' && query !== null && 'account' in query ? query.account : null
  return typeof requestedName === 'string' && requestedName !== '' ? requestedName : null
}
