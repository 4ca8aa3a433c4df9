/**
 * commit - what was decided goes into the store, with the rows that tell the endpoints
 *
 * See also: store/facts/ledger-state (which writes), store/webhook/outbox, webhook/payload (what is an event).
 */
import { eventOf, isOfItsUsers } from '../webhook/payload.ts'
import type { Fact } from '../ledger/facts/fact.ts'
import type { World } from '../ledger/project/state.ts'
import { endpointsOf, type Endpoint } from '../store/webhook/endpoints.ts'
import type { Db } from '../store/engine/engine.ts'
import { outboxRowOf } from '../store/webhook/outbox.ts'
import { saveWorld, type SaveExtras } from '../store/facts/ledger-state.ts'
import { addLaterReports } from './deliver/late-feedback.ts'

export type Commit = Pick<SaveExtras, 'reports' | 'rawMails'> & {
  readonly now: number
  /** False: nobody is told (replay, reclassify). */
  readonly notify: (fact: Fact) => boolean
  /** The IPs that our own queue sends by: it is told what came back (service/deliver/late-feedback). Not given: it is not. */
  readonly egressIps?: ReadonlySet<string> | undefined
}

/** Saves a world and its outbox in the transaction that loaded it. */
export async function commitWorld(db: Db, world: World, { now, notify, egressIps, ...extras }: Commit): Promise<void> {
  const told = world.fresh.filter((fact) => fact.account !== 0 && notify(fact))
  const endpoints = told.length === 0 ? [] : await endpointsOf(db, [...new Set(told.map(({ account }) => account))])
  const outbox = told.flatMap((fact) =>
    endpoints.filter((each) => wants(each, fact, world)).map((each) => outboxRowOf(fact, each.endpointId, now)),
  )
  await saveWorld(db, world, { ...extras, outbox })
  await addLaterReports(db, world, egressIps)
}

function wants(endpoint: Endpoint, fact: Fact, world: World): boolean {
  const event = eventOf(fact)
  if (event === null || !endpoint.enabled || endpoint.account !== fact.account || !endpoint.events.includes(event)) return false
  return isOfItsUsers(endpoint, fact.deliveryId === null ? null : (world.deliveries.get(fact.deliveryId) ?? null))
}
