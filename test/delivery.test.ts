/**
 * delivery.test - how the settings reach the parts of delivery: the look-up that it asks, its limits of time, the connections that it keeps
 */
import { expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'
import { openGround } from '../src/delivery.ts'
import { createMxLookUp } from '../src/edge/mx.ts'
import type { Settings } from '../src/settings.ts'
import { createZone } from './support/zone.ts'

const settingsOf = (delivery: Readonly<Record<string, string>>): Settings =>
  loadConfig({
    BOUNCED_RETURN_PATH_DOMAIN: 'bounce.example.com',
    BOUNCED_FEEDBACK_DOMAIN: 'fbl.example.com',
    BOUNCED_MASTER_KEY: '11'.repeat(32),
    ...delivery,
  }).settings

test.each(['mx', 'off'])('mode %s: a domain that moves is seen after five minutes, whatever others still remember', async (mode) => {
  const zone = { 'MX example.com': [['old.example', '10']] }
  const kept = createZone({ ...zone })
  const ground = await openGround(settingsOf({ BOUNCED_DELIVERY_MODE: mode }), {
    kept,
    fresh: (name, type) => createZone(zone)(name, type),
  })
  const clock = { now: 1_000 }
  const mx = createMxLookUp({ lookUp: ground.mxLookUp, now: () => clock.now })
  expect(await mx.find('example.com')).toMatchObject({ set: 'old.example' })
  zone['MX example.com'] = [['new.example', '10']]
  clock.now += 299_000
  expect(await mx.find('example.com')).toMatchObject({ set: 'old.example' })
  clock.now += 2_000
  expect(await mx.find('example.com')).toMatchObject({ set: 'new.example' })
  expect(ground.lookUp).toBe(kept)
  await ground.close()
})
