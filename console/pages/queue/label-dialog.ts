/**
 * label-dialog - pauses, recovers or deletes the waiting mail of one label, at one domain or at all
 *
 * See also: pages/queue/lane-dialogs (whole lanes), docs/QUEUE.md ("By label").
 */
import { useEffect } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { Dialog } from '../../components/dialog.ts'
import { Form, SelectField, TextField, useForm, type FormState } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { ProblemNote } from '../../components/note.ts'
import { common } from '../../texts/common-texts.ts'
import { sendCommand } from './lane-command.ts'
import type { LaneDialogProps } from './lane.ts'
import { PauseFields, readOptionalMoment } from './pause-fields.ts'
import { queueTexts as t } from './queue-texts.ts'

type Labels = { readonly labels: readonly { readonly id: number; readonly name: string }[]; readonly total: number }

/** As many as a reader looks through; the others are found by a part of their name. */
const SHOWN = 50

const ORDERS = ['pause', 'recover', 'delete'] as const
type Values = {
  readonly find: string
  readonly label: string
  readonly domain: string
  readonly order: string
  readonly until: string
  readonly after15Days: string
}

function bodyOf({ label, domain, order, until, after15Days }: Values): object {
  const scope = { domain: domain.trim() === '' ? null : domain.trim(), label: Number(label) }
  return order === 'pause' ? { ...scope, until: readOptionalMoment(until), after15Days } : scope
}

export function LabelDialog({ target: { account, domain }, onClose }: LaneDialogProps): View {
  const initial: Values = { find: '', label: '', domain: domain ?? '', order: 'pause', until: '', after15Days: 'keep' }
  const form = useForm(initial, async (values) => {
    await sendCommand(values.order, { account, body: bodyOf(values) })
    onClose()
  })
  const isDelete = form.values.order === 'delete'
  const orders = ORDERS.map((value) => ({ value, text: t(`${value}Label`) }))
  return html`<${Dialog} title=${t('oneLabelTitle')} onClose=${onClose}>
    <${Form} form=${form} action=${t(`${ORDERS.find((each) => each === form.values.order) ?? 'pause'}Label`)} isDanger=${isDelete} onCancel=${onClose}>
      <${LabelFields} form=${form} account=${account} />
      <${TextField} form=${form} name="domain" label=${t('domainOrAll')} />
      <${SelectField} form=${form} name="order" label=${t('whatToDo')} options=${orders} />
      ${form.values.order === 'pause' ? html`<${PauseFields} form=${form} />` : null}
      ${isDelete ? html`<p class="small">${t('deleteLabelText')}</p>` : null}
    </${Form}>
  </${Dialog}>`
}

function LabelFields({ form, account }: { readonly form: FormState; readonly account: string }): View {
  const find = String(form.values['find'])
  const list = useResource(
    (signal) => api.get<Labels>('/account/labels', { query: { account, query: find, limit: SHOWN }, signal }),
    [account, find],
  )
  // A label that is not in the list any more is not chosen any more.
  useEffect(() => form.set({ label: '' }), [find])
  const { labels = [], total = 0 } = list.value ?? {}
  const options = [
    { value: '', text: list.value === null ? common('loading') : t(labels.length === 0 ? 'noLabels' : 'chooseLabel') },
    ...labels.map(({ id, name }) => ({ value: String(id), text: name })),
  ]
  return html`${
      find === '' && total <= SHOWN ? null : html`<${TextField} form=${form} name="find" type="search" label=${t('findLabel')} />`
    }
    <${SelectField} form=${form} name="label" label=${t('label')} options=${options} required=${true} />
    <${ProblemNote} problem=${list.problem} onRetry=${list.refresh} />`
}
