/**
 * reclassify-child - runs the queued reclassification of a store until it ends or the process is killed
 *
 *     node test/support/reclassify-child.ts URL NOW
 */
import { createReclassifier } from '../../src/service/reclassify/reclassifier.ts'
import { openEngine } from '../../src/store/engine/open-engine.ts'
import { openTestContext } from './context.ts'

const [, , url = '', now = '0'] = process.argv
const engine = await openEngine(url, { connections: 2 })
const context = await openTestContext(engine, { now: Number(now) })
await createReclassifier(context).tick()
await engine.close()
