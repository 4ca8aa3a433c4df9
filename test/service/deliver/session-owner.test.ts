/**
 * session-owner.test - the mutable delivery session has one owner
 *
 * Only delivery-loop.ts and its two parts import a function or the mutable type from delivery-session.ts; every other file sees the read-only view, whose members do not compile on
 * the left of an assignment.
 */
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, expectTypeOf, test } from 'vitest'
import type { DeliveryLoop } from '../../../src/service/deliver/delivery-loop.ts'
import type { DeliverySession, SessionView } from '../../../src/service/deliver/delivery-session.ts'

const OWNERS = ['/delivery-loop.ts', '/loop-state.ts', '/groups/regrouping.ts']

const SRC = join(import.meta.dirname, '../../../src')
const IMPORT = /import (type )?\{([^}]*)\} from '[^']*\/delivery-session\.ts'/g

/** What a file imports from the session, types that cannot change it left out. */
function ownersImports(file: string): readonly string[] {
  const text = readFileSync(join(SRC, file), 'utf8')
  return [...text.matchAll(IMPORT)].flatMap(([, isTypeOnly, names = '']) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && name.replace('type ', '') !== 'SessionView')
      .map((name) => `${basename(file)}: ${isTypeOnly ?? ''}${name}`),
  )
}

test('only the delivery loop and its parts can change a session', () => {
  const files = globSync('**/*.ts', { cwd: SRC }).filter((file) => !OWNERS.some((owner) => file.endsWith(owner)))
  expect(files.flatMap(ownersImports)).toEqual([])
})

test('the loop shows a view only, and no member of the view can be assigned or changed', () => {
  expectTypeOf<DeliveryLoop['session']>().toEqualTypeOf<SessionView>()
  expectTypeOf<Pick<SessionView, 'isEnding' | 'leaseUntil' | 'sendingCount'>>().toEqualTypeOf<
    Readonly<Pick<DeliverySession, 'isEnding' | 'leaseUntil' | 'sendingCount'>>
  >()
  expectTypeOf<SessionView['updates']>().toEqualTypeOf<Readonly<DeliverySession['updates']>>()
  expectTypeOf<SessionView['pendingAttempts']>().not.toHaveProperty('set')
  expectTypeOf<SessionView['changedKeys']>().not.toHaveProperty('add')
})
