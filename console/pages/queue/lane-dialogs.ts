/**
 * lane-dialogs - what a person does to lanes: pause, rate, deletion; and the warm-up of an IP
 *
 * See also: pages/queue/label-dialog (the mail of one label), pages/queue/lane-command, docs/QUEUE.md.
 */
import { ConfirmDialog, Dialog } from '../../components/dialog.ts'
import { CheckField, Form, TextField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import type { LaneDialogProps } from './lane.ts'
import { sendCommand } from './lane-command.ts'
import { PauseFields, readOptionalMoment } from './pause-fields.ts'
import { queueTexts as t } from './queue-texts.ts'

export function PauseDialog({ target: { account, domain }, onClose }: LaneDialogProps): View {
  const form = useForm({ until: '', after15Days: 'keep' }, async ({ until, after15Days }) => {
    await sendCommand('pause', { account, body: { domain, until: readOptionalMoment(until), after15Days } })
    onClose()
  })
  return html`<${Dialog} title=${domain === null ? t('pauseAll') : t('pauseTitle', { domain })} onClose=${onClose}>
    <${Form} form=${form} action=${t('pause')} onCancel=${onClose}>
      <${PauseFields} form=${form} />
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

export const RecoverAllDialog = ({ target: { account }, onClose }: LaneDialogProps): View =>
  html`<${ConfirmDialog} title=${t('recoverAll')} action=${t('recover')} onClose=${onClose}
    onConfirm=${() => sendCommand('recover', { account, body: { domain: null } })}>
    <p>${t('recoverAllText')}</p>
  </${ConfirmDialog}>`

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
