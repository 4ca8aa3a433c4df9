/**
 * event-tokens - the tokens of requests that an ESP signed without their body, each with the body that it came with
 *
 * Such a signature would be good for any other body too, so a token is good for one. Rows are kept as long as a token is fresh.
 *
 * See also: esp-events/esp-signatures, service/esp/verify-request.
 */
import type { Database } from '../engine/engine.ts'
import { createTableMapping, hexColumn, hexToBytes, integerColumn, textColumn } from '../engine/mapping.ts'

type EventToken = {
  readonly account: number
  readonly sourceId: string
  /** SHA-256 of the token, and of the body. */
  readonly token: string
  readonly body: string
  readonly receivedAt: number
}

export const EVENT_TOKENS = createTableMapping<EventToken>('event_tokens', ['account_id', 'source_id', 'token'], {
  account: integerColumn('account_id'),
  sourceId: textColumn('source_id', 'none'),
  token: hexColumn('token'),
  body: hexColumn('body'),
  receivedAt: integerColumn('received_at'),
})

/** Claims a token for a body, and forgets those received before `keepFrom`. Resolves to false if it belongs to another body. Idempotent. */
export async function claimEventToken(db: Database, claim: EventToken, keepFrom: number): Promise<boolean> {
  const { account, sourceId, token } = claim
  await db.run('delete from event_tokens where account_id = $1 and source_id = $2 and received_at < $3', [account, sourceId, keepFrom])
  await db.insertMany(EVENT_TOKENS, [claim], 'ignore')
  const sql = `select ${EVENT_TOKENS.columns('t')} from event_tokens t where t.account_id = $1 and t.source_id = $2 and t.token = $3`
  const [row] = await db.all(sql, [account, sourceId, hexToBytes(token)])
  return row !== undefined && EVENT_TOKENS.decode(row).body === claim.body
}
