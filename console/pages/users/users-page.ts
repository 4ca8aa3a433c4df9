/**
 * users-page - the users of the console: their roles, links and sessions
 *
 * The pattern for other pages (console/README.md): a list with columns, actions on a row, a form in a dialog, a question before a removal.
 */
import { useState } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { toProblem, useResource } from '../../api/resource.ts'
import { session } from '../../app/session.ts'
import { Badge } from '../../components/badge.ts'
import { CopyField } from '../../components/copy-field.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { ConfirmDialog, Dialog } from '../../components/dialog.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { Form, SelectField, TextField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { notify } from '../../components/note.ts'
import { PageHead } from '../../components/page-head.ts'
import { RowMenu } from '../../components/row-menu.ts'
import { common } from '../../texts/common-texts.ts'
import { usersTexts as t } from './users-texts.ts'

const ROLES = ['viewer', 'operator', 'admin'] as const

/** `GET /v1/users`. */
type User = {
  readonly name: string
  readonly role: (typeof ROLES)[number]
  readonly disabledAt: string | null
  readonly signedInAt: string | null
  readonly hasPassword: boolean
  readonly sessions: number
}
type UserLink = { readonly url: string; readonly hours: number }

/** What stands over the page. */
type Open =
  | { readonly kind: 'add' }
  | { readonly kind: 'remove'; readonly user: User }
  | { readonly kind: 'link'; readonly name: string; readonly link: UserLink }

export function UsersPage(): View {
  const list = useResource((signal) => api.get<{ readonly users: readonly User[] }>('/users', { signal }), [])
  const [open, setOpen] = useState<Open | null>(null)
  const close = (): void => {
    setOpen(null)
    list.refresh()
  }
  const columns = userColumns((user) => actionsOf(user, { setOpen, refresh: list.refresh }))
  return html`<${PageHead} title=${t('title')} lead=${t('lead')}>
      <button type="button" class="button main" onClick=${() => setOpen({ kind: 'add' })}>${t('add')}</button>
    </${PageHead}>
    <${DataTable} caption=${t('title')} columns=${columns} rows=${list.value?.users ?? null} rowKey=${({ name }: User) => name} list=${list}
      empty=${html`<${EmptyState} title=${t('empty')} />`} />
    ${open?.kind === 'add' ? html`<${AddUser} onClose=${close} onLink=${(name: string, link: UserLink) => setOpen({ kind: 'link', name, link })} />` : null}
    ${open?.kind === 'link' ? html`<${LinkDialog} name=${open.name} link=${open.link} onClose=${close} />` : null}
    ${
      open?.kind === 'remove'
        ? html`<${ConfirmDialog} title=${t('removeTitle', { name: open.user.name })} action=${t('remove')} isDanger=${true} onClose=${close}
            onConfirm=${() => api.delete(`/users/${encodeURIComponent(open.user.name)}`)}><p>${t('removeText')}</p></${ConfirmDialog}>`
        : null
    }`
}

function userColumns(actions: (user: User) => View): readonly Column<User>[] {
  return [
    {
      key: 'name',
      title: t('name'),
      isHeading: true,
      sortBy: ({ name }) => name,
      cell: ({ name }) => html`${name}${session.value?.name === name ? html` <span class="muted">(${t('you')})</span>` : null}`,
    },
    { key: 'role', title: t('role'), sortBy: ({ role }) => ROLES.indexOf(role), cell: ({ role }) => t(role) },
    {
      key: 'state',
      title: t('state'),
      sortBy: stateOf,
      cell: (user) => html`<${Badge} tone=${STATE_TONES[stateOf(user)]}>${t(stateOf(user))}</${Badge}>`,
    },
    {
      key: 'signedIn',
      title: t('signedIn'),
      sortBy: ({ signedInAt }) => signedInAt,
      cell: ({ signedInAt }) => html`<${Moment} at=${signedInAt} relative=${true} fallback=${t('never')} />`,
    },
    { key: 'sessions', title: t('sessions'), isNumber: true, sortBy: ({ sessions }) => sessions, cell: ({ sessions }) => sessions },
    { key: 'actions', title: common('actions'), isActions: true, cell: actions },
  ]
}

const STATE_TONES = { active: 'good', disabled: 'bad', invited: 'warn' } as const

function stateOf({ disabledAt, hasPassword }: User): keyof typeof STATE_TONES {
  return disabledAt !== null ? 'disabled' : hasPassword ? 'active' : 'invited'
}

type Tools = { readonly setOpen: (open: Open) => void; readonly refresh: () => void }

function actionsOf(user: User, { setOpen, refresh }: Tools): View {
  const path = `/users/${encodeURIComponent(user.name)}`
  const change = async (body: object): Promise<void> => {
    await api.patch(path, { body })
    notify(t('saved', { name: user.name }))
    refresh()
  }
  const items = [
    ...ROLES.filter((role) => role !== user.role).map((role) => ({ text: `${t('role')}: ${t(role)}`, run: () => change({ role }) })),
    {
      text: t('newLink'),
      run: async () => setOpen({ kind: 'link', name: user.name, link: await api.post<UserLink>(`${path}/link`) }),
    },
    {
      text: t('signOut'),
      run: async () => {
        const { ended } = await api.delete<{ readonly ended: number }>(`${path}/sessions`)
        notify(t('signedOut', { name: user.name, n: ended }))
        refresh()
      },
    },
    { text: t(user.disabledAt === null ? 'disable' : 'enable'), run: () => change({ disabled: user.disabledAt === null }) },
    { text: t('remove'), isDanger: true, run: async () => setOpen({ kind: 'remove', user }) },
  ]
  return html`<${RowMenu}
    label=${`${common('actions')}: ${user.name}`}
    items=${items}
    onProblem=${(error: unknown) => notify(toProblem(error).message, 'bad')}
  />`
}

function AddUser({ onClose, onLink }: { readonly onClose: () => void; readonly onLink: (name: string, link: UserLink) => void }): View {
  const form = useForm({ name: '', role: 'operator' }, async (body) => onLink(body.name, await api.post<UserLink>('/users', { body })))
  return html`<${Dialog} title=${t('add')} onClose=${onClose}>
    <${Form} form=${form} action=${common('add')} onCancel=${onClose}>
      <${TextField} form=${form} name="name" label=${t('name')} required=${true} />
      <${SelectField} form=${form} name="role" label=${t('role')} hint=${t('roleHint')} options=${ROLES.map((value) => ({ value, text: t(value) }))} />
    </${Form}>
  </${Dialog}>`
}

const LinkDialog = ({ name, link, onClose }: { readonly name: string; readonly link: UserLink; readonly onClose: () => void }): View =>
  html`<${Dialog} title=${t('linkTitle', { name })} onClose=${onClose}>
    <p>${t('linkText', { n: link.hours })}</p>
    <${CopyField} label=${t('linkTitle', { name })} text=${link.url} />
    <div class="buttons"><button type="button" class="button main" onClick=${onClose}>${common('close')}</button></div>
  </${Dialog}>`
