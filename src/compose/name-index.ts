/**
 * name-index - where names stand in a text: at each point the longest name wins, from left to right
 *
 * Names and texts are a stranger's, so the time is linear in both, whatever they hold: names that share a beginning, that stand in each other, or that
 * nearly stand everywhere. The text is read once from its end by an automaton of the reversed names, which knows at every character the longest name
 * that begins there; what is taken is then chosen from the left.
 *
 * Pure, total. Aho and Corasick, "Efficient string matching" (1975). See also: compose/substitute.
 */

type Node = { readonly next: Map<number, Node>; back: Node | null; name: number }

export type NameIndex = { readonly names: readonly string[]; readonly root: Node; readonly lasts: ReadonlySet<number> }

/** `starts[i]` is where the name `names[i]` (by its number in the index) begins. `steps`: what the search took, at most twice the text. */
export type Places = { readonly starts: readonly number[]; readonly names: readonly number[]; readonly steps: number }

/** Each costs every copy: a text with more of them is none that anybody meant. */
export const MAX_PLACES = 1_048_576

const newNode = (): Node => ({ next: new Map(), back: null, name: -1 })

/** Makes the automaton; empty names are no names. */
export function indexNames(given: Iterable<string>): NameIndex {
  const names = [...new Set(given)].filter((name) => name !== '')
  const root = newNode()
  for (const [number, name] of names.entries()) {
    let node = root
    for (let at = name.length - 1; at >= 0; at--) {
      const code = name.charCodeAt(at)
      const next = node.next.get(code) ?? newNode()
      node.next.set(code, next)
      node = next
    }
    node.name = number
  }
  linkBack(root)
  return { names, root, lasts: new Set(root.next.keys()) }
}

/** Each node to the longest beginning of a reversed name that its own text ends in, and to the longest name that is one. */
function linkBack(root: Node): void {
  const level = [...root.next.values()]
  for (const node of level) node.back = root
  for (const node of level) {
    for (const [code, child] of node.next) {
      let back = node.back
      while (back !== null && !back.next.has(code)) back = back.back
      child.back = back?.next.get(code) ?? root
      if (child.name < 0) child.name = child.back.name
      level.push(child)
    }
  }
}

/** The places that names take in a text; null: more than may be. */
export function findPlaces({ names, root, lasts }: NameIndex, text: string): Places | null {
  if (names.length === 0) return { starts: [], names: [], steps: 0 }
  const begins: number[] = []
  const which: number[] = []
  let node = root
  let steps = 0
  for (let at = text.length - 1; at >= 0; at--) {
    const code = text.charCodeAt(at)
    steps += 1
    if (node === root && !lasts.has(code)) continue
    let next = node.next.get(code)
    while (next === undefined && node.back !== null) {
      node = node.back
      steps += 1
      next = node.next.get(code)
    }
    node = next ?? root
    if (node.name < 0) continue
    begins.push(at)
    which.push(node.name)
    if (begins.length > MAX_PLACES) return null
  }
  return { ...chooseLeft(begins.toReversed(), which.toReversed(), names), steps }
}

/** What begins inside of what was taken is not taken. */
function chooseLeft(begins: readonly number[], which: readonly number[], texts: readonly string[]): Omit<Places, 'steps'> {
  const starts: number[] = []
  const names: number[] = []
  let free = 0
  for (const [index, begin] of begins.entries()) {
    const name = which[index] ?? 0
    if (begin < free) continue
    starts.push(begin)
    names.push(name)
    free = begin + (texts[name]?.length ?? 0)
  }
  return { starts, names }
}
