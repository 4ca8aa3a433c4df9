/**
 * account-settings-page - the settings of one account, each changed by itself
 *
 * A change names the version that was read: if somebody else changed the settings meanwhile, the daemon refuses it.
 *
 * See also: http/api/account.
 */
import { useState } from 'preact/hooks'
import { api, ApiProblem } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { chosenAccount, navigate, pathTo, queryValue, withQuery } from '../../app/router.ts'
import { isOperator, may, session } from '../../app/session.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { Dialog } from '../../components/dialog.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { Form, TextArea, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { notify } from '../../components/note.ts'
import { PageHead } from '../../components/page-head.ts'
import { common } from '../../texts/common-texts.ts'
import { accountsTexts as t } from './accounts-texts.ts'

type AccountSettingsView = Readonly<Record<string, unknown>> & { readonly version: number }
type SettingEntry = { readonly name: string; readonly value: unknown }

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

export function AccountSettingsPage(): View {
  const account = chosenAccount.value
  const part = queryValue('part').toLowerCase()
  const list = useResource((signal) => api.get<AccountSettingsView>('/account/settings', { query: { account }, signal }), [account])
  const [changed, setChanged] = useState<SettingEntry | null>(null)
  const entries = list.value === null ? null : Object.entries(list.value).map(([name, value]) => ({ name, value }))
  const rows = entries?.filter(({ name }) => name !== 'version' && name.toLowerCase().includes(part)) ?? null
  const close = (): void => {
    setChanged(null)
    list.refresh()
  }
  const onSubmit = (event: SubmitEvent & { currentTarget: HTMLFormElement }): void => {
    event.preventDefault()
    const typed = new FormData(event.currentTarget).get('part')
    navigate(withQuery({ part: typeof typed === 'string' ? typed.trim() : null }))
  }
  const name = account === '' ? (session.value?.name ?? '') : account
  return html`${isOperator.value ? html`<nav><a href=${pathTo('/accounts')}>← ${t('back')}</a></nav>` : null}
    <${PageHead} title=${t('settingsOf', { name })} />
    <form class="filters" onSubmit=${onSubmit}>
      <div class="field wide">
        <label for="settings-part">${t('search')}</label>
        <input id="settings-part" name="part" type="search" value=${part} key=${part} autocomplete="off" />
      </div>
      <div class="buttons"><button class="button">${common('search')}</button></div>
    </form>
    <${DataTable}
      caption=${t('settingsOf', { name })}
      columns=${columns(setChanged)}
      rows=${rows}
      list=${list}
      rowKey=${(entry: SettingEntry) => entry.name}
      empty=${html`<${EmptyState} title=${t('noSettings')} />`}
    />
    ${
      changed === null || list.value === null
        ? null
        : html`<${ChangeSetting} entry=${changed} account=${account} version=${list.value.version} onClose=${close} />`
    }`
}

function columns(change: (entry: SettingEntry) => void): readonly Column<SettingEntry>[] {
  const actions: Column<SettingEntry> = {
    key: 'actions',
    title: common('actions'),
    isActions: true,
    cell: (entry) =>
      html`<button type="button" class="button small" aria-label=${t('changeTitle', { name: entry.name })} onClick=${() => change(entry)}>
        ${t('change')}
      </button>`,
  }
  return [
    { key: 'name', title: t('setting'), isHeading: true, sortBy: ({ name }) => name, cell: ({ name }) => html`<code>${name}</code>` },
    { key: 'value', title: t('value'), cell: ({ value }) => html`<${ForeignText} text=${textOf(value)} />` },
    ...(may('administer') ? [actions] : []),
  ]
}

type ChangeSettingProps = { readonly entry: SettingEntry; readonly account: string; readonly version: number; readonly onClose: () => void }

function ChangeSetting({ entry: { name, value }, account, version, onClose }: ChangeSettingProps): View {
  const form = useForm({ value: textOf(value) }, async ({ value: typed }) => {
    await api.patch('/account/settings', { query: { account }, body: { [name]: readTyped(typed, value), version } })
    notify(t('changed', { name }))
    onClose()
  })
  return html`<${Dialog} title=${t('changeTitle', { name })} onClose=${onClose}>
    <${Form} form=${form} action=${common('save')} onCancel=${onClose}>
      <${TextArea} form=${form} name="value" label=${t('newValue')} hint=${typeof value === 'string' ? undefined : t('valueHint')} />
    </${Form}>
  </${Dialog}>`
}

/** A text stays a text; everything else is JSON. Throws what the form shows. */
function readTyped(typed: string, before: unknown): unknown {
  if (typeof before === 'string') return typed
  try {
    return JSON.parse(typed)
  } catch {
    throw new ApiProblem(t('notJson'), { code: 'input' })
  }
}
