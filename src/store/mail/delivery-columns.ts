/**
 * delivery-columns - the columns of a delivery, each described once
 *
 * To add a column, add it to a migration, to `DeliveryRow` and here. The compiler requires every description. The lists below, the columns
 * that a report leaves alone, the columns that an export reads and the erasure of an address follow from them.
 *
 * See also: ledger/project/state (DeliveryRow), store/facts/ledger-state (which writes), store/facts/scan (which exports).
 */
import type { DeliveryRow } from '../../ledger/project/state.ts'
import {
  booleanColumn,
  createTableMapping,
  hexColumn,
  integerColumn,
  integerEnumColumn,
  jsonColumn,
  nullableColumn,
  textColumn,
  textEnumColumn,
  uuidColumn,
} from '../engine/mapping.ts'
import type { ColumnMapping } from '../engine/mapping.ts'

/** `key`: part of the primary key. `registered`: set when the delivery is registered, and kept. `derived`: the fold of later facts may change it. */
type Origin = 'key' | 'registered' | 'derived'

/** `exported`: an exported file may show it, so a scan reads it. */
type Use = 'exported' | 'internal'

type DescribedColumn<V, O extends Origin = Origin, U extends Use = Use> = {
  readonly mapping: ColumnMapping<V>
  readonly origin: O
  readonly use: U
}

function describe<V, O extends Origin, U extends Use>(mapping: ColumnMapping<V>, origin: O, use: U): DescribedColumn<V, O, U> {
  return { mapping, origin, use }
}

const COLUMNS = {
  account: describe(integerColumn('account_id'), 'key', 'internal'),
  deliveryId: describe(textColumn('delivery_id', 'none'), 'key', 'exported'),
  month: describe(integerColumn('delivery_month'), 'key', 'internal'),
  emailId: describe(nullableColumn(textColumn('email_id', 'text')), 'registered', 'exported'),
  messageId: describe(nullableColumn(textColumn('message_id', 'none')), 'registered', 'exported'),
  recipient: describe(nullableColumn(textColumn('recipient', 'address')), 'registered', 'exported'),
  addressHash: describe(nullableColumn(hexColumn('address_hash')), 'registered', 'internal'),
  domain: describe(textColumn('domain', 'none'), 'registered', 'exported'),
  site: describe(nullableColumn(textColumn('site', 'none')), 'derived', 'internal'),
  apiUser: describe(textColumn('api_user', 'none'), 'registered', 'exported'),
  labelId: describe(nullableColumn(integerColumn('label_id')), 'registered', 'internal'),
  label: describe(nullableColumn(textColumn('label', 'none')), 'registered', 'exported'),
  emailType: describe(textEnumColumn<DeliveryRow['emailType']>('email_type'), 'registered', 'exported'),
  broadcast: describe(nullableColumn(textColumn('broadcast', 'none')), 'registered', 'exported'),
  from: describe(textColumn('sender', 'text'), 'registered', 'exported'),
  subject: describe(textColumn('subject', 'text'), 'registered', 'exported'),
  headers: describe(jsonColumn<DeliveryRow['headers']>('headers', 'json'), 'registered', 'internal'),
  messageIdHeader: describe(nullableColumn(textColumn('message_id_header', 'text')), 'registered', 'internal'),
  requestIp: describe(nullableColumn(textColumn('request_ip', 'none')), 'registered', 'exported'),
  egressIp: describe(nullableColumn(textColumn('egress_ip', 'none')), 'derived', 'exported'),
  mx: describe(nullableColumn(textColumn('mx', 'none')), 'derived', 'internal'),
  routeKey: describe(textColumn('route_key', 'none'), 'derived', 'internal'),
  requestedAt: describe(integerColumn('requested_at'), 'registered', 'exported'),
  registered: describe(booleanColumn('registered'), 'registered', 'internal'),
  status: describe(integerEnumColumn<DeliveryRow['status']>('status'), 'derived', 'exported'),
  subStatus: describe(nullableColumn(integerColumn('sub_status')), 'derived', 'exported'),
  asynchronous: describe(booleanColumn('asynchronous'), 'derived', 'exported'),
  reason: describe(nullableColumn(textEnumColumn<NonNullable<DeliveryRow['reason']>>('reason')), 'derived', 'exported'),
  permanence: describe(nullableColumn(textEnumColumn<NonNullable<DeliveryRow['permanence']>>('permanence')), 'derived', 'exported'),
  fault: describe(nullableColumn(textEnumColumn<NonNullable<DeliveryRow['fault']>>('fault')), 'derived', 'exported'),
  weak: describe(booleanColumn('weak'), 'derived', 'exported'),
  forwarded: describe(booleanColumn('forwarded'), 'derived', 'exported'),
  engaged: describe(booleanColumn('engaged'), 'derived', 'internal'),
  statusAt: describe(integerColumn('status_at'), 'derived', 'internal'),
  statusFact: describe(uuidColumn('status_fact'), 'derived', 'internal'),
  statusRank: describe(integerColumn('status_rank'), 'derived', 'internal'),
  rule: describe(nullableColumn(textColumn('rule', 'none')), 'derived', 'exported'),
  reportedDomain: describe(nullableColumn(textColumn('reported_domain', 'none')), 'derived', 'internal'),
  remoteSite: describe(nullableColumn(textColumn('remote_site', 'none')), 'derived', 'internal'),
  sendLog: describe(textColumn('send_log', 'text'), 'derived', 'exported'),
  deliveredAt: describe(nullableColumn(integerColumn('delivered_at')), 'derived', 'exported'),
  openedAt: describe(nullableColumn(integerColumn('opened_at')), 'derived', 'exported'),
  clickedAt: describe(nullableColumn(integerColumn('clicked_at')), 'derived', 'exported'),
  touchedAt: describe(nullableColumn(integerColumn('touched_at')), 'derived', 'internal'),
  attempts: describe(integerColumn('attempts'), 'derived', 'internal'),
  opens: describe(integerColumn('opens'), 'derived', 'exported'),
  clicks: describe(integerColumn('clicks'), 'derived', 'exported'),
  machineOpens: describe(integerColumn('machine_opens'), 'derived', 'exported'),
  machineClicks: describe(integerColumn('machine_clicks'), 'derived', 'exported'),
  complaints: describe(integerColumn('complaints'), 'derived', 'exported'),
  unsubscribes: describe(integerColumn('unsubscribes'), 'derived', 'exported'),
  complaintEpisode: describe(integerColumn('complaint_episode'), 'derived', 'internal'),
  notSpamEpisode: describe(integerColumn('not_spam_episode'), 'derived', 'internal'),
  modifiedAt: describe(integerColumn('modified_at'), 'derived', 'exported'),
  result: describe(textEnumColumn<DeliveryRow['result']>('result'), 'derived', 'exported'),
  resultBase: describe(textEnumColumn<DeliveryRow['resultBase']>('result_base'), 'derived', 'exported'),
  resultRank: describe(integerColumn('result_rank'), 'derived', 'internal'),
  resultAt: describe(integerColumn('result_at'), 'derived', 'exported'),
  resultFact: describe(uuidColumn('result_fact'), 'derived', 'internal'),
  reclassified: describe(booleanColumn('reclassified'), 'derived', 'internal'),
} as const satisfies { readonly [K in keyof DeliveryRow]-?: DescribedColumn<DeliveryRow[K]> }

const FIELD_NAMES = Object.keys(COLUMNS) as readonly (keyof typeof COLUMNS)[] // Checked cast: the table's own keys.

export const DELIVERIES = createTableMapping<DeliveryRow>('deliveries', ['account_id', 'delivery_id', 'delivery_month'], columnMappings())

/** Columns that are set at registration. A report never writes them. */
export const REGISTERED_COLUMNS: readonly string[] = FIELD_NAMES.filter((name) => COLUMNS[name].origin === 'registered').map(
  (name) => COLUMNS[name].mapping.column,
)

type ExportedField = {
  [K in keyof typeof COLUMNS]: (typeof COLUMNS)[K] extends { readonly use: 'exported' } ? K : never
}[keyof typeof COLUMNS]

export type ExportedDelivery = Pick<DeliveryRow, ExportedField>

const isExported = (name: keyof typeof COLUMNS): name is ExportedField => COLUMNS[name].use === 'exported'

/** The columns that an exported file may show: half of the row, which halves the cost of a scan. */
export const EXPORTED_DELIVERIES = DELIVERIES.pick<ExportedField>(FIELD_NAMES.filter(isExported))

function columnMappings(): { readonly [K in keyof DeliveryRow]-?: ColumnMapping<DeliveryRow[K]> } {
  const mappings: unknown = Object.fromEntries(FIELD_NAMES.map((name) => [name, COLUMNS[name].mapping]))
  // Checked cast: the mapped type above holds COLUMNS against DeliveryRow, field by field.
  return mappings as { readonly [K in keyof DeliveryRow]-?: ColumnMapping<DeliveryRow[K]> }
}
