/**
 * accounts-page - the accounts of the installation: adding one, new keys, and the way to their settings
 *
 * See also: pages/accounts/account-settings-page.
 */
import { useState } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { toProblem, useResource } from '../../api/resource.ts'
import { loadAccounts } from '../../app/account-choice.ts'
import { pathTo } from '../../app/router.ts'
import { may } from '../../app/session.ts'
import { Badge } from '../../components/badge.ts'
import { CopyField } from '../../components/copy-field.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { Dialog, useAction } from '../../components/dialog.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { Form, TextField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { formatMoment, Moment } from '../../components/moment.ts'
import { notify, ProblemNote } from '../../components/note.ts'
import { PageHead } from '../../components/page-head.ts'
import { RowMenu } from '../../components/row-menu.ts'
import { common } from '../../texts/common-texts.ts'
import { accountsTexts as t } from './accounts-texts.ts'

/** `GET /v1/accounts`. */
type AccountRow = {
  readonly account: number
  readonly name: string
  readonly apiUsers: readonly string[]
  readonly zone: string
  readonly createdAt: string
  readonly closedAt: string | null
}

type NewKey = { readonly apiUser: string; readonly apiKey: string; readonly oldUntil?: string }

type Open = { readonly kind: 'add' } | { readonly kind: 'ask'; readonly apiUser: string } | { readonly kind: 'key'; readonly key: NewKey }

export function AccountsPage(): View {
  const list = useResource((signal) => api.get<{ readonly accounts: readonly AccountRow[] }>('/accounts', { signal }), [])
  const [open, setOpen] = useState<Open | null>(null)
  const close = (): void => setOpen(null)
  const showKey = (key: NewKey): void => {
    setOpen({ kind: 'key', key })
    list.refresh()
    loadAccounts().catch((error: unknown) => notify(toProblem(error).message, 'bad'))
  }
  return html`<${PageHead} title=${t('title')} lead=${t('lead')}>
      ${may('administer') ? html`<button type="button" class="button main" onClick=${() => setOpen({ kind: 'add' })}>${t('add')}</button>` : null}
    </${PageHead}>
    <${DataTable} caption=${t('title')} columns=${columns((apiUser) => setOpen({ kind: 'ask', apiUser }))} rows=${list.value?.accounts ?? null}
      rowKey=${({ account }: AccountRow) => String(account)} list=${list} empty=${html`<${EmptyState} title=${t('empty')} />`} />
    ${open?.kind === 'add' ? html`<${AddAccount} onClose=${close} onKey=${showKey} />` : null}
    ${open?.kind === 'ask' ? html`<${AskKey} apiUser=${open.apiUser} onClose=${close} onKey=${showKey} />` : null}
    ${open?.kind === 'key' ? html`<${KeyDialog} newKey=${open.key} onClose=${close} />` : null}`
}

function columns(askKey: (apiUser: string) => void): readonly Column<AccountRow>[] {
  const actions: Column<AccountRow> = {
    key: 'actions',
    title: common('actions'),
    isActions: true,
    cell: ({ name, apiUsers }) =>
      html`<${RowMenu}
        label=${`${common('actions')}: ${name}`}
        items=${apiUsers.map((apiUser) => ({ text: t('newKey', { name: apiUser }), run: () => Promise.resolve(askKey(apiUser)) }))}
        onProblem=${(error: unknown) => notify(toProblem(error).message, 'bad')}
      />`,
  }
  return [
    {
      key: 'name',
      title: t('account'),
      isHeading: true,
      sortBy: ({ name }) => name,
      cell: ({ name }) => html`<a href=${pathTo('/accounts/settings', { account: name })}><${ForeignText} text=${name} /></a>`,
    },
    { key: 'apiUsers', title: t('apiUsers'), cell: ({ apiUsers }) => html`<${ForeignText} text=${apiUsers.join(', ')} />` },
    { key: 'zone', title: t('zone'), sortBy: ({ zone }) => zone, cell: ({ zone }) => zone },
    {
      key: 'state',
      title: t('state'),
      sortBy: ({ closedAt }) => closedAt,
      cell: ({ closedAt }) =>
        html`<${Badge} tone=${closedAt === null ? 'good' : 'bad'}>${t(closedAt === null ? 'open' : 'closed')}</${Badge}>`,
    },
    {
      key: 'created',
      title: t('created'),
      sortBy: ({ createdAt }) => createdAt,
      cell: ({ createdAt }) => html`<${Moment} at=${createdAt} style="day" />`,
    },
    ...(may('administer') ? [actions] : []),
  ]
}

type KeyProps = { readonly onClose: () => void; readonly onKey: (key: NewKey) => void }

function AddAccount({ onClose, onKey }: KeyProps): View {
  const form = useForm({ apiUser: '' }, async (body) => onKey(await api.post<NewKey>('/accounts', { body })))
  return html`<${Dialog} title=${t('add')} onClose=${onClose}>
    <${Form} form=${form} action=${common('add')} onCancel=${onClose}>
      <${TextField} form=${form} name="apiUser" label=${t('apiUser')} hint=${t('apiUserHint')} required=${true} />
    </${Form}>
  </${Dialog}>`
}

function AskKey({ apiUser, onClose, onKey }: KeyProps & { readonly apiUser: string }): View {
  const { run, isBusy, problem } = useAction(async () => onKey(await api.post<NewKey>(`/accounts/${encodeURIComponent(apiUser)}/key`)))
  return html`<${Dialog} title=${t('keyQuestion', { name: apiUser })} onClose=${onClose}>
    <p>${t('keyQuestionText')}</p>
    <${ProblemNote} problem=${problem} />
    <div class="buttons">
      <button type="button" class="button" onClick=${onClose}>${common('cancel')}</button>
      <button type="button" class="button main" disabled=${isBusy} onClick=${run}>${t('newKey', { name: apiUser })}</button>
    </div>
  </${Dialog}>`
}

const KeyDialog = ({ newKey: { apiUser, apiKey, oldUntil }, onClose }: { readonly newKey: NewKey; readonly onClose: () => void }): View =>
  html`<${Dialog} title=${t('keyTitle', { name: apiUser })} onClose=${onClose}>
    <p>${t('keyText')} ${oldUntil === undefined ? null : t('oldKey', { at: formatMoment(oldUntil) })}</p>
    <${CopyField} label=${t('keyTitle', { name: apiUser })} text=${apiKey} />
    <div class="buttons"><button type="button" class="button main" onClick=${onClose}>${common('close')}</button></div>
  </${Dialog}>`
