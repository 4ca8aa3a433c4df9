/**
 * caller - the API user that makes a call, and from where
 *
 * See also: http/server/authorize and smtp-server/submission-session (both create callers).
 */
export type Caller = {
  readonly account: number
  readonly apiUser: string
  /** The client's IP address. */
  readonly ip: string
  /** Present when the operator acts on behalf of the account. */
  readonly isOperator?: true
  /** The user of the console who is that operator. */
  readonly user?: string
}

/** Names the caller for audit facts. */
export const actorOf = ({ apiUser, isOperator, user }: Caller): string =>
  isOperator === true ? `${user === undefined ? 'operator' : `user:${user}`} for ${apiUser}` : `api:${apiUser}`
