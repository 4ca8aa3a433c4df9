/**
 * spread-plan.test - nodes that join and fall silent in any order hold equal shares after three rounds, and few groups move
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LANE_GROUPS } from '../../../../src/queue/lane-group.ts'
import { planSpread } from '../../../../src/service/deliver/groups/spread-plan.ts'

type Change = { readonly joins: boolean; readonly node: string }

const changes: fc.Arbitrary<readonly Change[]> = fc.array(
  fc.record({ joins: fc.boolean(), node: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g') }),
  { minLength: 1, maxLength: 12 },
)

/** One node acts on its plan. Returns the new holders. */
function act(node: string, liveNodes: readonly string[], holders: readonly string[]): string[] {
  const { acquire, release } = planSpread({ node, liveNodes, holders })
  for (const group of release) expect(holders[group]).toBe(node)
  for (const group of acquire) expect(liveNodes).not.toContain(holders[group])
  expect(acquire.length * release.length).toBe(0)
  return holders.map((holder, group) => (acquire.includes(group) ? node : release.includes(group) ? '' : holder))
}

const countOf = (holders: readonly string[], node: string): number => holders.filter((holder) => holder === node).length

test('every group has a live holder after three rounds, and shares differ by one', () => {
  fc.assert(
    fc.property(changes, fc.infiniteStream(fc.nat(9)), (script, order) => {
      let holders = Array.from({ length: LANE_GROUPS }, () => '')
      const live = new Set<string>()
      for (const { joins, node } of script) {
        if (joins) live.add(node)
        else live.delete(node)
        // Some changes follow one another before the nodes have acted.
        const { value = 0 } = order.next()
        const nodes = [...live]
        if (value % 3 === 0 && nodes.length > 0) holders = act(nodes[value % nodes.length] ?? '', nodes, holders)
      }
      const nodes = [...live]
      if (nodes.length === 0) return
      for (let round = 0; round < 3; round++) for (const node of nodes) holders = act(node, nodes, holders)
      const counts = nodes.map((node) => countOf(holders, node))
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(LANE_GROUPS)
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
      for (const node of nodes) expect(planSpread({ node, liveNodes: nodes, holders })).toEqual({ acquire: [], release: [] })
    }),
  )
})

const cases = [
  // live nodes              before                                  node  acquires  releases
  ['alone', ['a'], { a: 0 }, 'a', 64, 0],
  ['a second node joins', ['a', 'b'], { a: 64 }, 'a', 0, 32],
  ['the joining node waits for releases', ['a', 'b'], { a: 64 }, 'b', 0, 0],
  ['a third node joins two', ['a', 'b', 'c'], { a: 32, b: 32 }, 'a', 0, 10],
  ['one of three falls silent', ['a', 'b'], { a: 22, b: 21, c: 21 }, 'a', 10, 0],
  ['a node without a lease', ['a'], { a: 64 }, 'z', 0, 0],
] as const satisfies readonly (readonly [string, readonly string[], Readonly<Record<string, number>>, string, number, number])[]

test.each(cases)('%s', (_, liveNodes, before, node, acquired, released) => {
  const holders = Object.entries(before).flatMap(([name, count]) => Array.from({ length: count }, () => name))
  const all = [...holders, ...Array.from({ length: LANE_GROUPS - holders.length }, () => '')]
  const plan = planSpread({ node, liveNodes, holders: all })
  expect([plan.acquire.length, plan.release.length]).toEqual([acquired, released])
})
