/**
 * workdesk - the desk's orders, carried out by work
 *
 * See also: web/desk, work/register, work/attempts, work/suppress.
 */
import { Fault } from '../error.ts'
import { createAttempts } from '../work/attempts.ts'
import { createRegister } from '../work/register.ts'
import type { Shop } from '../work/shop.ts'
import type { Desk } from './desk.ts'

/** What the desk writes; what it reads is the store's. */
export type WritingDesk = Pick<Desk, 'register' | 'attempts' | 'removeSuppressions' | 'addUnsubscribe' | 'lift' | 'unsubscribe'>

export function createWritingDesk(shop: Shop): WritingDesk {
  const later = (): Promise<never> => Promise.reject(new Fault('internal', 'this order cannot be carried out yet'))
  return {
    register: createRegister(shop),
    attempts: createAttempts(shop),
    removeSuppressions: later,
    addUnsubscribe: later,
    lift: later,
    unsubscribe: later,
  }
}
