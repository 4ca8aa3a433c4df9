/**
 * replay-dialog - sends the events of a time again
 *
 * The daemon queues a limited number of events a call, and says where to go on; the dialog goes on until all are queued.
 */
import { api, ApiProblem } from '../../api/client.ts'
import { Dialog } from '../../components/dialog.ts'
import { CheckField, Form, TextField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { readMoment, toMomentInput } from '../../components/moment-input.ts'
import { notify } from '../../components/note.ts'
import { webhooksTexts as t } from './webhooks-texts.ts'

const DAY_MS = 86_400_000

type ReplayDialogProps = { readonly id: number; readonly account: string; readonly onClose: () => void }

export function ReplayDialog({ id, account, onClose }: ReplayDialogProps): View {
  const form = useForm({ from: toMomentInput(Date.now() - DAY_MS), until: '', onlyFailed: true }, async ({ from, until, onlyFailed }) => {
    const [start, end] = [readMoment(from), readMoment(until)]
    if (start === null || (until !== '' && end === null)) throw new ApiProblem(t('invalidTime'), { code: 'input' })
    const body = { from: start, onlyFailed, ...(end === null ? {} : { until: end }) }
    let [queued, after]: [number, string | null] = [0, null]
    do {
      const answer: { readonly events: number; readonly next: string | null } = await api.post(`/webhooks/${id}/replay`, {
        query: { account },
        body: { ...body, ...(after === null ? {} : { after }) },
      })
      queued += answer.events
      after = answer.next
    } while (after !== null)
    notify(t('replayed', { n: queued }))
    onClose()
  })
  return html`<${Dialog} title=${t('replayTitle')} onClose=${onClose}>
    <p>${t('replayLead')}</p>
    <${Form} form=${form} action=${t('replay')} onCancel=${onClose}>
      <${TextField} form=${form} name="from" type="datetime-local" label=${t('from')} required=${true} />
      <${TextField} form=${form} name="until" type="datetime-local" label=${t('until')} />
      <${CheckField} form=${form} name="onlyFailed" label=${t('onlyFailed')} />
    </${Form}>
  </${Dialog}>`
}
