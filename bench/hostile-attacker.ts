/**
 * hostile-attacker - the thread that attacks, so that its own work does not delay the honest client that is measured
 *
 * It runs the attack that a message names, and answers when the attack is over. See also: bench/hostile, bench/hostile-attacks.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { ATTACK_MS, ATTACKS } from './hostile-attacks.ts'
import type { HostileTarget } from './hostile-connections.ts'

export type AttackOrder = { readonly name: string; readonly target: HostileTarget }

parentPort?.on('message', (order: AttackOrder) => void attack(order))

async function attack({ name, target }: AttackOrder): Promise<void> {
  const found = ATTACKS.find((each) => each.name === name)
  await Promise.race([found?.run(target, AbortSignal.timeout(ATTACK_MS)), sleep(ATTACK_MS + 500)])
  parentPort?.postMessage('over')
}
