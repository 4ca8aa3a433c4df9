/**
 * kumomta-automation - an `automation` of KumoMTA as a rule: its regular expression as a phrase, its action as a backoff class
 *
 * A phrase is literal text with gaps (docs/RULES.md). An expression with alternatives, optional characters or classes of characters between literal text has no exact
 * counterpart, and is listed. The class that a rule names counts and pauses by its own table, so the trigger and the duration are listed too.
 *
 * Pure. See also: queue/shaping/kumomta-import, classify/rule-grammar.
 */

/** A rule of a rule file, with the provider in whose file it belongs, and the pattern of its MX hosts where no rule file lists them. */
export type ImportedRule = {
  readonly provider: string | null
  readonly site: string
  readonly rule: {
    readonly id: string
    readonly reason: string
    readonly pause: string
    readonly code?: readonly number[]
    readonly says: readonly string[]
    readonly hits: readonly string[]
    readonly misses: readonly string[]
  }
}

type Origin = { readonly label: string; readonly provider: string | null; readonly site: string }

type Meaning = { readonly reason: string; readonly pause: string }

const SLOWER: Meaning = { reason: 'rate-limited', pause: 'ip-rate' }
const FEWER: Meaning = { reason: 'rate-limited', pause: 'connection-frequency' }

/** By the option that an action sets. */
const BY_OPTION: Readonly<Record<string, Meaning>> = {
  max_message_rate: SLOWER,
  max_connection_rate: FEWER,
  connection_limit: FEWER,
  max_deliveries_per_connection: { reason: 'rate-limited', pause: 'session-limit' },
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function meaningOf(action: unknown): Meaning | null {
  if (Array.isArray(action)) return action.map(meaningOf).find((each) => each !== null) ?? null
  if (action === 'Suspend') return { reason: 'ip-blocked', pause: 'ip-reputation' }
  const set = isTable(action) && isTable(action['SetConfig']) ? action['SetConfig']['name'] : null
  return typeof set === 'string' ? (BY_OPTION[set] ?? null) : null
}

/** Reads the automations of a section. What is not taken is added to the list. */
export function readAutomations(origin: Origin, automations: unknown, notTaken: string[]): ImportedRule[] {
  if (origin.provider === null && origin.site !== '' && !origin.site.startsWith('*.') && Array.isArray(automations)) {
    notTaken.push(`${origin.label} automation: no rule file lists the hosts of the site ${origin.site}; write one with these rules`)
    return []
  }
  return (Array.isArray(automations) ? automations : []).flatMap((each: unknown, index): ImportedRule[] => {
    const { regex, action, trigger = null, duration = null } = isTable(each) ? each : {}
    const label = `${origin.label} automation ${index + 1}`
    const meaning = meaningOf(action)
    if (meaning === null) notTaken.push(`${label}: the action ${JSON.stringify(action)} has no counterpart`)
    const texts = (Array.isArray(regex) ? regex : [regex]).filter((text) => typeof text === 'string')
    const rules =
      meaning === null ? [] : texts.flatMap((text, at) => ruleOf(origin, { text, meaning, number: `${index + 1}-${at + 1}` }, notTaken))
    if (rules.length > 0)
      notTaken.push(
        `${label}: trigger ${JSON.stringify(trigger)}, duration ${JSON.stringify(duration)}: the class ${meaning?.pause} counts and pauses by its own table; change it with class.${meaning?.pause} of the site`,
      )
    return rules
  })
}

const slugOf = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')

function ruleOf(
  { label, provider, site }: Origin,
  { text, meaning, number }: { readonly text: string; readonly meaning: Meaning; readonly number: string },
  notTaken: string[],
): ImportedRule[] {
  const [, code, words = text] = /^\^?(\d{3})[ -](?:\d\\?\.\d\\?\.\d{1,3} )?(.*)$/s.exec(text) ?? []
  const phrase = phraseOf(words)
  if (phrase === null) {
    notTaken.push(`${label}: the expression ${JSON.stringify(text)} cannot be said as a phrase`)
    return []
  }
  const reply = `${code ?? '421'} ${phrase.replaceAll('*', '192.0.2.1')}`
  const rule = {
    id: `kumomta-${slugOf(provider ?? (site === '' ? 'default' : site))}-${number}`,
    ...meaning,
    ...(code === undefined ? {} : { code: [Number(code)] }),
    says: [phrase],
    hits: [reply],
    misses: ['550 5.1.1 no such user here'],
  }
  return [{ provider, site, rule }]
}

/** Gaps: any text, digits, and addresses. */
const GAPS = /\\d\+\\\.\\d\+\\\.\\d\+\\\.\\d\+|(?:\\d|\\S|\\w|\.)[+*]\??/g

const GAP = '\u0000'
const MIN_LITERAL_CHARACTERS = 4

/**
 * A regular expression as a phrase; null: it has no counterpart. Total.
 *
 *     phraseOf('Messages from \\d+\\.\\d+\\.\\d+\\.\\d+ temporarily deferred')   → 'messages from * temporarily deferred'
 */
function phraseOf(regex: string): string | null {
  const gapped = regex.replaceAll(GAPS, GAP).replace(/^\^/, '').replace(/\$$/, '')
  let phrase = ''
  for (let at = 0; at < gapped.length; at++) {
    const character = gapped[at] ?? ''
    const next = gapped[at + 1] ?? ''
    if (character === '\\') {
      if (/[a-z0-9]/i.test(next)) return null
      phrase += next
      at += 1
    } else if (character === GAP) phrase += '*'
    else if (character === '.') phrase += at === gapped.length - 1 ? '' : '*'
    else if ('?*+{}()[]|'.includes(character)) return null
    else phrase += character
  }
  const folded = phrase
    .toLowerCase()
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\*+/g, '*')
    .replaceAll(/^[\s*]+|[\s*]+$/g, '')
  const parts = folded.split('*')
  return folded.length >= MIN_LITERAL_CHARACTERS && parts.every((part) => part.trim().length >= 2) ? folded : null
}
