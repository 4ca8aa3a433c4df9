/**
 * counts - the counts that `/v1/statistics` returns, and what the overview reads
 *
 * See also: pages/overview/overview-page.
 */
import { useEvents } from '../../api/event-stream.ts'
import { api } from '../../api/client.ts'
import { useResource, type Resource } from '../../api/resource.ts'
import { shownZone } from '../../app/preferences.ts'
import { chosenAccount, queryValue } from '../../app/router.ts'
import { isOperator } from '../../app/session.ts'

export type Counts = {
  readonly request: number
  readonly delivered: number
  readonly invalid: number
  readonly softBounce: number
  readonly complaint: number
  readonly unsubscribe: number
  readonly uniqueOpen: number
  readonly uniqueClick: number
}

export type Statistics = {
  readonly step: 'hour' | 'day'
  readonly steps: readonly { readonly at: string; readonly counts: Counts }[]
  readonly total: Counts
  readonly before: Counts
  readonly subStatuses: readonly { readonly subStatus: number; readonly n: number }[]
}

export type CountGroup = { readonly name: string; readonly counts: Counts }

/** Periods by the name in the URL; the first is the default. */
const PERIODS = {
  day: { step: 'hour', steps: 24 },
  week: { step: 'hour', steps: 168 },
  month: { step: 'day', steps: 30 },
  quarter: { step: 'day', steps: 90 },
} as const

type PeriodName = keyof typeof PERIODS

function chosenPeriod(): PeriodName {
  const name = queryValue('period')
  return name === 'week' || name === 'month' || name === 'quarter' ? name : 'day'
}

/** Without events, the figures are read again after this time. */
const EVERY_MS = 30_000
/** The events of all accounts together are no stream. */
const ALL_ACCOUNTS_EVERY_MS = 10_000
/** Many events come in bursts. */
const AFTER_EVENT_MS = 3_000

let timer: ReturnType<typeof setTimeout> | undefined

export function useStatistics(): Resource<Statistics> {
  const period = chosenPeriod()
  const query = { ...PERIODS[period], zone: shownZone(), account: chosenAccount.value }
  const every = isOperator.value && query.account === '' ? ALL_ACCOUNTS_EVERY_MS : EVERY_MS
  const found = useResource((signal) => api.get<Statistics>('/statistics', { query, signal }), [query], { every })
  useEvents(null, () => {
    if (document.hidden) return
    timer ??= setTimeout(() => {
      timer = undefined
      found.refresh()
    }, AFTER_EVENT_MS)
  })
  return found
}

type Groups = { readonly groups: readonly CountGroup[]; readonly others: Counts }

/** By site, or by account for the operator who looks at all. Null by account for everybody else. */
export function useGroups(by: 'site' | 'account'): Resource<Groups | null> {
  const account = chosenAccount.value
  const query = { ...PERIODS[chosenPeriod()], zone: shownZone(), by, limit: 10, account }
  const isAsked = by === 'site' || (isOperator.value && account === '')
  return useResource(
    (signal) => (isAsked ? api.get<Groups>('/statistics/groups', { query, signal }) : Promise.resolve(null)),
    [query, isAsked],
    { every: EVERY_MS * 2 },
  )
}
