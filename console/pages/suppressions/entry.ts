/**
 * entry - an entry of a suppression list as the API shows it, and its columns
 */
import { pathTo } from '../../app/router.ts'
import { Badge } from '../../components/badge.ts'
import type { Column } from '../../components/data-table.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { verdictWord } from '../../texts/verdict-texts.ts'
import { suppressionsTexts as t } from './suppressions-texts.ts'

export const LISTS = ['bounce', 'complaint', 'unsubscribe', 'block', 'allow'] as const
export type ListKey = (typeof LISTS)[number]

export type Entry = {
  readonly list: ListKey
  readonly address: string | null
  readonly addressHash: string
  readonly domain: string
  readonly isDomain: boolean
  readonly scope: string
  readonly reason: string
  readonly rule: string | null
  readonly site: string | null
  readonly proof: string | null
  readonly from: string
  readonly until: string | null
  readonly removedAt: string | null
  readonly pending: boolean
  readonly emailId?: string | null
}

/** What the entry is about, as it is named in requests; null once it is erased. */
export const subjectOf = ({ address, domain, isDomain }: Entry): string | null => (isDomain ? domain : address)

const STATES = { inForce: 'bad', held: 'warn', expired: 'plain', removed: 'plain' } as const

export function stateOfEntry({ removedAt, pending, until }: Entry): keyof typeof STATES {
  if (removedAt !== null) return 'removed'
  if (pending) return 'held'
  return until !== null && Date.parse(until) <= Date.now() ? 'expired' : 'inForce'
}

export const entryKey = ({ list, addressHash, scope }: Entry): string => `${list} ${addressHash} ${scope}`

/** `actions`: the last cell; null: the reader may not change lists. */
export function entryColumns(actions: ((entry: Entry) => View) | null, title: string): readonly Column<Entry>[] {
  const columns: readonly Column<Entry>[] = [
    { key: 'address', title: t('address'), isHeading: true, sortBy: subjectOf, cell: (entry) => html`<${Subject} entry=${entry} />` },
    {
      key: 'reason',
      title: t('reason'),
      sortBy: ({ reason }) => reason,
      cell: ({ reason, rule }) =>
        html`<${ForeignText} text=${verdictWord(reason)} />${
            rule === null
              ? null
              : html`<span class="sub mono"
                  ><a href=${pathTo('/rules', { rule })}><${ForeignText} text=${rule} /></a
                ></span>`
          }`,
    },
    { key: 'site', title: t('site'), sortBy: ({ site }) => site, cell: ({ site }) => html`<${ForeignText} text=${site} />` },
    { key: 'since', title: t('since'), sortBy: ({ from }) => from, cell: ({ from }) => html`<${Moment} at=${from} />` },
    {
      key: 'until',
      title: t('until'),
      sortBy: ({ until }) => until,
      cell: ({ until }) => html`<${Moment} at=${until} fallback=${t('noEnd')} />`,
    },
    {
      key: 'state',
      title: t('state'),
      sortBy: stateOfEntry,
      cell: (entry) =>
        html`<${Badge} tone=${entry.list === 'allow' && stateOfEntry(entry) === 'inForce' ? 'good' : STATES[stateOfEntry(entry)]}>${t(stateOfEntry(entry))}</${Badge}>`,
    },
  ]
  return actions === null ? columns : [...columns, { key: 'actions', title, isActions: true, cell: actions }]
}

const Subject = ({ entry }: { readonly entry: Entry }): View =>
  html`<span
    ><${ForeignText} text=${subjectOf(entry)} fallback=${t('erased')} />
    ${entry.isDomain ? html`<span class="sub">${t('domain')}</span>` : null}
    ${entry.scope === '' ? null : html`<span class="sub">${t('scope')} <${ForeignText} text=${entry.scope} /></span>`}
    ${entry.emailId === undefined || entry.emailId === null ? null : html`<span class="sub"><a href=${pathTo(`/messages/${encodeURIComponent(entry.emailId)}`)}>${t('message')}</a></span>`}
  </span>`
