/**
 * look-up - one box to find an address or a domain on every list; what is looked for stands in the URL
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { chosenAccount, navigate, queryValue, withQuery } from '../../app/router.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { Note } from '../../components/note.ts'
import { common } from '../../texts/common-texts.ts'
import { verdictTexts } from '../../texts/verdict-texts.ts'
import { EntryChanges } from './entry-changes.ts'
import { entryColumns, entryKey, type Entry } from './entry.ts'
import { suppressionsTexts as t } from './suppressions-texts.ts'

type LookUpProps = {
  readonly actions: ((entry: Entry) => View) | null
  /** When the list below was read: what has changed there has changed here. */
  readonly readAt: number | null
}

export function LookUp({ actions, readAt }: LookUpProps): View {
  const address = queryValue('address')
  return html`<section class="card look-up" role="search">
    <${Box} key=${address} address=${address} />
    ${address === '' ? null : html`<${Found} address=${address} actions=${actions} readAt=${readAt} />`}
  </section>`
}

function Box({ address }: { readonly address: string }): View {
  const form = useForm({ address }, async (values) => navigate(withQuery({ address: values.address.trim() || null })))
  const onSubmit = (event: Event): void => {
    event.preventDefault()
    form.submit()
  }
  return html`<form class="look-up-box" onSubmit=${onSubmit}>
    <input
      type="search"
      name="address"
      aria-label=${t('lookUp')}
      placeholder=${t('lookUpHint')}
      autocomplete="off"
      spellcheck=${false}
      value=${form.values.address}
      onInput=${(event: Event & { currentTarget: HTMLInputElement }) => form.set({ address: event.currentTarget.value })}
    />
    <button class="button main">${common('search')}</button>
    ${address === '' ? null : html`<a class="button" href=${withQuery({ address: null })}>${common('clear')}</a>`}
  </form>`
}

function Found({ address, actions, readAt }: LookUpProps & { readonly address: string }): View {
  const account = chosenAccount.value
  const found = useResource(
    (signal) => api.get<{ readonly entries: readonly Entry[] }>('/suppressions', { query: { account, address }, signal }),
    [address, account, readAt],
  )
  const list: Column<Entry> = {
    key: 'list',
    title: t('list'),
    sortBy: ({ list: name }) => name,
    cell: ({ list: name }) => verdictTexts(name),
  }
  const [heading, ...rest] = entryColumns(actions, common('actions'))
  const lists = [...new Set(found.value?.entries.map((entry) => entry.list))]
  return html`<${DataTable}
      caption=${t('foundTitle', { address })}
      columns=${heading === undefined ? [] : [heading, list, ...rest]}
      rows=${found.value?.entries ?? null}
      rowKey=${entryKey}
      list=${found}
      sortName="found"
      empty=${html`<div class="empty"><${Note} tone="good">${t('foundNone', { address })}</${Note}></div>`}
    />
    ${lists.length === 0 ? null : html`<${EntryChanges} address=${address} lists=${lists} readAt=${found.readAt} />`}`
}
