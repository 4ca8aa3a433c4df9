/**
 * lane-dialogs - what a person does to lanes: pause, rate, deletion; and the warm-up of an IP
 *
 * A command is recorded at once, and executed by every delivering node a moment later; the answer says which.
 *
 * See also: http/api/queue-commands, docs/QUEUE.md.
 */
import { api } from '../../api/client.ts'
import { ConfirmDialog, Dialog } from '../../components/dialog.ts'
import { CheckField, Form, SelectField, TextField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { readMoment } from '../../components/moment-input.ts'
import { notify } from '../../components/note.ts'
import { queueTexts as t } from './queue-texts.ts'

/** `domain` null: all domains of the account. */
export type LaneTarget = { readonly account: string; readonly domain: string | null; readonly waiting: number }

type LaneDialogProps = { readonly target: LaneTarget; readonly onClose: () => void }

/** Sends a command and tells whether it is executed already. Throws ApiProblem. */
export async function sendCommand(path: string, { account, body }: { readonly account: string; readonly body: object }): Promise<void> {
  const { state, order, note } = await api.post<{ readonly state: string; readonly order: string; readonly note: string | null }>(
    `/queue/${path}`,
    { query: { account }, body },
  )
  notify([t(state === 'done' ? 'done' : 'pending', { order }), note ?? ''].join(' ').trim())
}

/** Empty: null. Throws what the form shows if the text is no time. */
function readOptionalMoment(text: string): string | null {
  const at = readMoment(text)
  if (text !== '' && at === null) throw new Error(t('invalidTime'))
  return at
}

export function PauseDialog({ target: { account, domain }, onClose }: LaneDialogProps): View {
  const form = useForm({ until: '', after15Days: 'keep' }, async ({ until, after15Days }) => {
    await sendCommand('pause', { account, body: { domain, until: readOptionalMoment(until), after15Days } })
    onClose()
  })
  const choices = (['keep', 'delete'] as const).map((value) => ({ value, text: t(value) }))
  return html`<${Dialog} title=${domain === null ? t('pauseAll') : t('pauseTitle', { domain })} onClose=${onClose}>
    <${Form} form=${form} action=${t('pause')} onCancel=${onClose}>
      <${TextField} form=${form} name="until" type="datetime-local" label=${t('until')} />
      <${SelectField} form=${form} name="after15Days" label=${t('after15Days')} options=${choices} />
    </${Form}>
  </${Dialog}>`
}

export function RateDialog({ target: { account, domain }, onClose }: LaneDialogProps): View {
  const form = useForm({ perMinute: '' }, async ({ perMinute }) => {
    await sendCommand('rate', { account, body: { domain, perMinute: perMinute === '' ? null : Number(perMinute) } })
    onClose()
  })
  return html`<${Dialog} title=${t('rateTitle', { domain: domain ?? '' })} onClose=${onClose}>
    <${Form} form=${form} action=${t('rate')} onCancel=${onClose}>
      <${TextField} form=${form} name="perMinute" type="number" label=${t('rateField')} />
    </${Form}>
  </${Dialog}>`
}

export const DeleteDialog = ({ target: { account, domain, waiting }, onClose }: LaneDialogProps): View =>
  html`<${ConfirmDialog} title=${t('removeTitle', { domain: domain ?? '' })} action=${t('remove')} isDanger=${true} onClose=${onClose}
    onConfirm=${() => sendCommand('delete', { account, body: { domain } })}>
    <p>${t('removeText', { n: waiting })}</p>
  </${ConfirmDialog}>`

/** For the operator: it concerns every account that sends from the IP. */
export function WarmUpDialog({ onClose }: { readonly onClose: () => void }): View {
  const form = useForm({ egressIp: '', startedAt: '', end: false }, async ({ egressIp, startedAt, end }) => {
    const start = readOptionalMoment(startedAt)
    const times = end ? { startedAt: null } : start === null ? {} : { startedAt: start }
    await sendCommand('warm-up', { account: '', body: { egressIp, ...times } })
    onClose()
  })
  return html`<${Dialog} title=${t('warmUp')} onClose=${onClose}>
    <p>${t('warmUpLead')}</p>
    <${Form} form=${form} action=${t('warmUp')} onCancel=${onClose}>
      <${TextField} form=${form} name="egressIp" label=${t('egressIp')} required=${true} />
      <${TextField} form=${form} name="startedAt" type="datetime-local" label=${t('startedAt')} />
      <${CheckField} form=${form} name="end" label=${t('end')} />
    </${Form}>
  </${Dialog}>`
}
