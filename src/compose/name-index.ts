/**
 * name-index - finds names in a text: leftmost first, and the longest at each position
 *
 * Names and texts are untrusted, so the time is linear in both, whatever they contain: names that share a beginning, contain each other, or
 * almost occur everywhere. An automaton of the reversed names reads the text once from its end, and knows at each character the longest
 * name that begins there. The occurrences are then chosen from the left.
 *
 * Pure, total. Aho and Corasick, "Efficient string matching" (1975). See also: compose/substitute.
 */

type TrieNode = { readonly children: Map<number, TrieNode>; failureLink: TrieNode | null; nameNumber: number }

export type NameIndex = { readonly names: readonly string[]; readonly root: TrieNode; readonly lastCharCodes: ReadonlySet<number> }

/**
 * `starts[i]` is where the name with the number `nameNumbers[i]` begins. `steps` counts the moves of the automaton: at most twice the
 * length of the text.
 */
export type NameOccurrences = { readonly starts: readonly number[]; readonly nameNumbers: readonly number[]; readonly steps: number }

/** Each occurrence costs time for each copy. No genuine text has more. */
const MAX_OCCURRENCES = 1_048_576

const createTrieNode = (): TrieNode => ({ children: new Map(), failureLink: null, nameNumber: -1 })

/** Builds the automaton. Empty names are ignored. */
export function createNameIndex(candidates: Iterable<string>): NameIndex {
  const names = [...new Set(candidates)].filter((name) => name !== '')
  const root = createTrieNode()
  for (const [number, name] of names.entries()) {
    let node = root
    for (let at = name.length - 1; at >= 0; at--) {
      const code = name.charCodeAt(at)
      const next = node.children.get(code) ?? createTrieNode()
      node.children.set(code, next)
      node = next
    }
    node.nameNumber = number
  }
  setFailureLinks(root)
  return { names, root, lastCharCodes: new Set(root.children.keys()) }
}

/** Links each node to the longest beginning of a reversed name with which its own text ends, and to the longest name there. */
function setFailureLinks(root: TrieNode): void {
  const level = [...root.children.values()]
  for (const node of level) node.failureLink = root
  for (const node of level) {
    for (const [code, child] of node.children) {
      let failureLink = node.failureLink
      while (failureLink !== null && !failureLink.children.has(code)) failureLink = failureLink.failureLink
      child.failureLink = failureLink?.children.get(code) ?? root
      if (child.nameNumber < 0) child.nameNumber = child.failureLink.nameNumber
      level.push(child)
    }
  }
}

/** The occurrences of names in a text; null: too many. */
export function findOccurrences({ names, root, lastCharCodes }: NameIndex, text: string): NameOccurrences | null {
  if (names.length === 0) return { starts: [], nameNumbers: [], steps: 0 }
  const candidateStarts: number[] = []
  const candidateNames: number[] = []
  let node = root
  let steps = 0
  for (let at = text.length - 1; at >= 0; at--) {
    const code = text.charCodeAt(at)
    steps += 1
    if (node === root && !lastCharCodes.has(code)) continue
    let next = node.children.get(code)
    while (next === undefined && node.failureLink !== null) {
      node = node.failureLink
      steps += 1
      next = node.children.get(code)
    }
    node = next ?? root
    if (node.nameNumber < 0) continue
    candidateStarts.push(at)
    candidateNames.push(node.nameNumber)
    if (candidateStarts.length > MAX_OCCURRENCES) return null
  }
  return { ...selectLeftmost(candidateStarts.toReversed(), candidateNames.toReversed(), names), steps }
}

/** Skips candidates that begin inside a chosen occurrence. */
function selectLeftmost(
  candidateStarts: readonly number[],
  candidateNames: readonly number[],
  texts: readonly string[],
): Omit<NameOccurrences, 'steps'> {
  const starts: number[] = []
  const names: number[] = []
  let nextFree = 0
  for (const [index, begin] of candidateStarts.entries()) {
    const name = candidateNames[index] ?? 0
    if (begin < nextFree) continue
    starts.push(begin)
    names.push(name)
    nextFree = begin + (texts[name]?.length ?? 0)
  }
  return { starts, nameNumbers: names }
}
