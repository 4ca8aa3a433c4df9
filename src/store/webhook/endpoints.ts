/**
 * endpoints - the webhook endpoints of an account
 *
 * See also: store/webhook/outbox (the events still to be sent).
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { reserveSequenceNumbers } from '../engine/sequences.ts'
import { bytesColumn, booleanColumn, integerColumn, jsonColumn, createTableMapping, textColumn, textEnumColumn } from '../engine/mapping.ts'

export type Endpoint = {
  readonly account: number
  readonly endpointId: number
  readonly url: string
  readonly name: string
  /** The events that it receives, by the names of webhook/payload. */
  readonly events: readonly string[]
  /** Only events of these API users; empty: of all. */
  readonly apiUsers: readonly string[]
  readonly format: 'bounced' | 'form' | 'json' | 'cloudevents' | 'cloudevents-binary' | 'engagelab' | 'ses' | 'sendgrid' | 'postmark'
  readonly ladder: 'standard' | 'vendor'
  /** The signing key, encrypted. */
  readonly sealedKey: Uint8Array
  readonly enabled: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

export const ENDPOINTS = createTableMapping<Endpoint>('endpoints', ['account_id', 'endpoint_id'], {
  account: integerColumn('account_id'),
  endpointId: integerColumn('endpoint_id'),
  url: textColumn('url', 'none'),
  name: textColumn('name', 'none'),
  events: jsonColumn<readonly string[]>('events', 'none'),
  apiUsers: jsonColumn<readonly string[]>('api_users', 'none'),
  format: textEnumColumn<Endpoint['format']>('format'),
  ladder: textEnumColumn<Endpoint['ladder']>('ladder'),
  sealedKey: bytesColumn('sealed_key', 'none'),
  enabled: booleanColumn('enabled'),
  createdAt: integerColumn('created_at'),
  updatedAt: integerColumn('updated_at'),
})

const COLUMNS = ENDPOINTS.columns('e')

/** Creates an endpoint with the next number of the account. */
export async function addEndpoint(db: Database, endpoint: Omit<Endpoint, 'endpointId'>): Promise<Endpoint> {
  const added: Endpoint = { ...endpoint, endpointId: (await reserveSequenceNumbers(db, endpoint.account, 'endpoint', 1)) + 1 }
  await db.insertMany(ENDPOINTS, [added])
  return added
}

/** Updates an endpoint. */
export async function saveEndpoint(db: Database, endpoint: Endpoint): Promise<void> {
  await db.upsertMany(ENDPOINTS, [endpoint])
}

/** Lists the endpoints of these accounts, by number. Called for each batch that may have events. */
export async function listEndpointsOfAccounts(reader: DatabaseReader, accounts: readonly number[]): Promise<readonly Endpoint[]> {
  const sql = `select ${COLUMNS} from {keys} k cross join endpoints e where e.account_id = k.k1 order by e.account_id, e.endpoint_id`
  return (await reader.inKeys(sql, { types: ['int'], rows: [...new Set(accounts)].map((account) => [account]) })).map(ENDPOINTS.decode)
}

/** Finds one endpoint of an account, or null. */
export async function findEndpoint(reader: DatabaseReader, account: number, endpointId: number): Promise<Endpoint | null> {
  const sql = `select ${COLUMNS} from endpoints e where e.account_id = $1 and e.endpoint_id = $2`
  const row = await reader.one(sql, [account, endpointId])
  return row === null ? null : ENDPOINTS.decode(row)
}

/** Removes at most `limit` records and at most `limit` outbox rows of an endpoint. Returns whether there may be more. */
export async function clearEndpointHistory(db: Database, account: number, endpointId: number, limit: number): Promise<boolean> {
  const key = 'account_id, endpoint_id, event_id'
  const sql = (table: 'outbox' | 'webhook_records'): string =>
    `delete from ${table} where (${key}) in (select ${key} from ${table} where account_id = $1 and endpoint_id = $2 order by event_id limit $3)`
  const records = await db.run(sql('webhook_records'), [account, endpointId, limit])
  const waiting = await db.run(sql('outbox'), [account, endpointId, limit])
  return records === limit || waiting === limit
}

/** Removes an endpoint with its outbox and its records. Returns whether it existed. */
export async function removeEndpoint(db: Database, account: number, endpointId: number): Promise<boolean> {
  const [, , removed] = await Promise.all([
    db.run('delete from webhook_records where account_id = $1 and endpoint_id = $2', [account, endpointId]),
    db.run('delete from outbox where account_id = $1 and endpoint_id = $2', [account, endpointId]),
    db.run('delete from endpoints where account_id = $1 and endpoint_id = $2', [account, endpointId]),
  ])
  return removed > 0
}
