/**
 * suppressions-page - one box over all lists, each list with its entries, and what changes them by hand, in bulk and by file
 *
 * See also: pages/suppressions/look-up, pages/suppressions/held-sites.
 */
import { useState } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { toProblem } from '../../api/resource.ts'
import { usePagedList } from '../../app/page-table.ts'
import { chosenAccount, navigate, pathTo, queryValue, withQuery } from '../../app/router.ts'
import { isOperator, may } from '../../app/session.ts'
import { DataTable } from '../../components/data-table.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { notify } from '../../components/note.ts'
import { PageHead } from '../../components/page-head.ts'
import { RowMenu } from '../../components/row-menu.ts'
import { QuerySegments } from '../../components/segments.ts'
import { common } from '../../texts/common-texts.ts'
import { verdictTexts } from '../../texts/verdict-texts.ts'
import { AddEntries } from './add-entries.ts'
import { BulkReactivation } from './bulk-reactivation.ts'
import { entryColumns, entryKey, LISTS, stateOfEntry, subjectOf, type Entry, type ListKey } from './entry.ts'
import { HeldSites } from './held-sites.ts'
import { ImportEntries } from './import-entries.ts'
import { LookUp } from './look-up.ts'
import { RemoveEntry } from './remove-entry.ts'
import { suppressionsTexts as t } from './suppressions-texts.ts'

type Open =
  | { readonly kind: 'add' }
  | { readonly kind: 'bulk' }
  | { readonly kind: 'import' }
  | { readonly kind: 'remove'; readonly entry: Entry }

const PAGE_SIZE = 50

const chosenList = (): ListKey => LISTS.find((each) => each === queryValue('list')) ?? 'bounce'

export function SuppressionsPage(): View {
  const [list, account, state] = [chosenList(), chosenAccount.value, queryValue('state', 'in-force')]
  const [open, setOpen] = useState<Open | null>(null)
  const query = { account, state, site: queryValue('site'), rule: queryValue('rule'), limit: PAGE_SIZE }
  const entries = usePagedList(
    (after, signal) =>
      api.get<{ readonly entries: readonly Entry[]; readonly next: string | null }>(`/suppressions/${list}`, {
        query: { ...query, after },
        signal,
      }),
    [list, query],
  )
  const close = (): void => {
    setOpen(null)
    entries.refresh()
  }
  const actions = may('operate') ? (entry: Entry) => entryActions(entry, () => setOpen({ kind: 'remove', entry })) : null
  return html`<${Head} list=${list} onOpen=${setOpen} />
    <${LookUp} actions=${actions} readAt=${entries.readAt} />
    ${isOperator.value ? html`<${HeldSites} onChange=${entries.refresh} />` : null}
    <section class="list-box">
      <${ListHead} list=${list} />
      <${ActiveFilters} />
      <${DataTable}
        caption=${verdictTexts(list)}
        columns=${entryColumns(actions, common('actions'))}
        rows=${entries.value?.entries ?? null}
        rowKey=${entryKey}
        list=${entries}
        empty=${html`<${EmptyList} />`}
      />
    </section>
    <${OpenDialog} open=${open} list=${list} onClose=${close} />`
}

function Head({ list, onOpen }: { readonly list: ListKey; readonly onOpen: (open: Open) => void }): View {
  const exportList = async (): Promise<void> => {
    await api.post('/exports', {
      query: { account: chosenAccount.value },
      body: { kind: 'suppressions', since: '2000-01-01T00:00:00Z', filters: { list } },
    })
    notify(t('exportStarted'))
    navigate(pathTo('/exports'))
  }
  const items = [
    { text: t('bulk'), run: async () => onOpen({ kind: 'bulk' }) },
    { text: t('import'), run: async () => onOpen({ kind: 'import' }) },
    { text: t('export'), run: exportList },
  ]
  return html`<${PageHead} title=${t('title')} lead=${t('lead')}>
    ${
      may('operate')
        ? html`<${RowMenu}
              label=${common('actions')}
              items=${items}
              onProblem=${(error: unknown) => notify(toProblem(error).message, 'bad')}
            />
            <button type="button" class="button main" onClick=${() => onOpen({ kind: 'add' })}>${t('add')}</button>`
        : null
    }
  </${PageHead}>`
}

const ListHead = ({ list }: { readonly list: ListKey }): View =>
  html`<div class="list-head">
    <${ListTabs} list=${list} />
    <${QuerySegments}
      label=${t('state')}
      name="state"
      options=${[
        { value: 'in-force', text: t('showInForce') },
        { value: 'held', text: t('showHeld') },
        { value: 'any', text: t('showAny') },
      ]}
    />
  </div>`

/** A filter that a link has set is seen, and can be cleared. */
function ActiveFilters(): View {
  const set = (['site', 'rule'] as const).filter((name) => queryValue(name) !== '')
  if (set.length === 0) return null
  return html`<div class="buttons">
    ${set.map((name) => html`<span key=${name} class="small"><${ForeignText} text=${t(name === 'site' ? 'onlySite' : 'onlyRule', { name: queryValue(name) })} /></span>`)}
    <a class="button small" href=${withQuery({ site: null, rule: null })}>${common('clear')}</a>
  </div>`
}

function EmptyList(): View {
  const isFiltered = queryValue('site') !== '' || queryValue('rule') !== '' || queryValue('state', 'in-force') !== 'in-force'
  return isFiltered
    ? html`<${EmptyState} title=${t('emptyFiltered')}><p><a href=${withQuery({ site: null, rule: null, state: null })}>${common('clear')}</a></p></${EmptyState}>`
    : html`<${EmptyState} title=${t('empty')}><p>${t('emptyHelp')}</p></${EmptyState}>`
}

const ListTabs = ({ list }: { readonly list: ListKey }): View =>
  html`<nav class="tabs" aria-label=${t('list')}>
    ${LISTS.map((each) => html`<a key=${each} href=${withQuery({ list: each === 'bounce' ? null : each, site: null, rule: null })} aria-current=${each === list ? 'page' : undefined}>${verdictTexts(each)}</a>`)}
  </nav>`

/** What can be done with an entry. One that is over or erased can only be looked at. */
function entryActions(entry: Entry, onRemove: () => void): View {
  if (subjectOf(entry) === null || stateOfEntry(entry) !== 'inForce') return null
  return html`<button
    type="button"
    class="button small"
    onClick=${onRemove}
    aria-label=${`${t(entry.list === 'bounce' ? 'reactivate' : 'remove')}: ${subjectOf(entry)}`}
  >
    ${t(entry.list === 'bounce' ? 'reactivate' : 'remove')}
  </button>`
}

function OpenDialog({ open, list, onClose }: { readonly open: Open | null; readonly list: ListKey; readonly onClose: () => void }): View {
  if (open === null) return null
  if (open.kind === 'add') return html`<${AddEntries} list=${list} onClose=${onClose} />`
  if (open.kind === 'bulk') return html`<${BulkReactivation} onClose=${onClose} />`
  if (open.kind === 'import') return html`<${ImportEntries} list=${list} onClose=${onClose} />`
  return html`<${RemoveEntry} entry=${open.entry} onClose=${onClose} />`
}
