/** nudges.test - a nudge of one node reaches the listeners of all, over lost connections, and ends with the store */
import { afterEach, expect, describe, test } from 'vitest'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { openEngine } from '../../../src/store/engine/open-engine.ts'
import { engines } from '../../support/engines.ts'

describe.each(engines)('nudges: $kind', ({ open }) => {
  test('reach every listener of the process at once, until it stops', async () => {
    const { engine } = await open({ empty: true })
    const heard: string[] = []
    const stop = engine.nudges.listen(() => heard.push('a'))
    engine.nudges.listen(() => heard.push('b'))
    engine.nudges.send()
    stop()
    engine.nudges.send()
    expect(heard).toEqual(['a', 'b', 'b'])
  })

  test('a closed store takes a nudge without a word', async () => {
    const { engine } = await open({ empty: true })
    engine.nudges.send()
    await engine.close()
    expect(() => engine.nudges.send()).not.toThrow()
  })
})

describe.each(engines.filter(({ kind }) => kind === 'postgres'))('nudges between nodes: $kind', ({ url: createUrl }) => {
  const opened: Engine[] = []
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((engine) => engine.close()))
  })

  /** Nodes of one store, and how many nudges each has heard. */
  const openNodes = async (count: number): Promise<{ nodes: Engine[]; heard: number[] }> => {
    const url = await createUrl({ empty: true })
    const heard = Array<number>(count).fill(0)
    const nodes: Engine[] = []
    for (let n = 0; n < count; n++) {
      const node = await openEngine(url, { connections: 1 })
      node.nudges.listen(() => (heard[n] = (heard[n] ?? 0) + 1))
      nodes.push(node)
    }
    opened.push(...nodes)
    return { nodes, heard }
  }
  const LISTENERS = `select pid from pg_stat_activity where query like '%listen bounced_work%' or query like 'notify bounced_work%' or query = 'select 1'`
  /** Sends nudges until another node hears one: a listener is connected some time after it begins to listen. */
  const untilHeard = async (node: Engine, heard: () => number): Promise<void> => {
    const before = heard()
    await expect
      .poll(() => {
        node.nudges.send()
        return heard()
      })
      .toBeGreaterThan(before)
  }

  test('a nudge reaches the other nodes, and its own node once', async () => {
    const { nodes, heard } = await openNodes(3)
    const [first, second] = nodes
    if (first === undefined || second === undefined) throw new Error('nodes are missing')
    await untilHeard(first, () => heard[1] ?? 0)
    await untilHeard(first, () => heard[2] ?? 0)
    const own = heard[0] ?? 0
    await untilHeard(second, () => heard[0] ?? 0)
    const sent = heard[1] ?? 0
    second.nudges.send()
    expect(heard[1]).toBe(sent + 1)
    expect(heard[0]).toBeGreaterThan(own)
  })

  test('a thousand nudges are few notifications', async () => {
    const { nodes, heard } = await openNodes(2)
    const [sender, listener] = nodes
    if (sender === undefined || listener === undefined) throw new Error('nodes are missing')
    await untilHeard(sender, () => heard[1] ?? 0)
    const before = heard[1] ?? 0
    for (let n = 0; n < 1_000; n++) sender.nudges.send()
    await untilHeard(sender, () => heard[1] ?? 0)
    expect((heard[1] ?? 0) - before).toBeLessThan(100)
  })

  test('a listener whose connection the server has ended hears again', async () => {
    const { nodes, heard } = await openNodes(2)
    const [sender, listener] = nodes
    if (sender === undefined || listener === undefined) throw new Error('nodes are missing')
    await untilHeard(sender, () => heard[1] ?? 0)
    const ended = await sender.tx((db) => db.all(`select pg_terminate_backend(pid) from (${LISTENERS}) l where pid <> pg_backend_pid()`))
    expect(ended.length).toBeGreaterThan(0)
    await untilHeard(sender, () => heard[1] ?? 0)
  })
})
