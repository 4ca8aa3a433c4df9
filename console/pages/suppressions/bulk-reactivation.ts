/**
 * bulk-reactivation - reactivates the addresses of a site, a rule and a time; first it shows what would happen
 */
import { useState } from 'preact/hooks'
import { ApiProblem, api } from '../../api/client.ts'
import { chosenAccount } from '../../app/router.ts'
import { Dialog, useAction } from '../../components/dialog.ts'
import { Form, TextField, useForm } from '../../components/form.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { readMoment, toMomentInput } from '../../components/moment-input.ts'
import { Note, notify, ProblemNote } from '../../components/note.ts'
import { common } from '../../texts/common-texts.ts'
import { subjectOf, type Entry } from './entry.ts'
import { suppressionsTexts as t } from './suppressions-texts.ts'

type Selection = { readonly site?: string; readonly rule?: string; readonly since: string; readonly until: string }
type Outcome = { readonly lifted: number; readonly entries: readonly Entry[] }
type Preview = { readonly selection: Selection; readonly outcome: Outcome }

const DAY_MS = 86_400_000
const MAX_SHOWN = 8

const send = (selection: Selection, dryRun: boolean): Promise<Outcome> =>
  api.post<Outcome>('/suppressions/lift', { query: { account: chosenAccount.value }, body: { ...selection, dryRun } })

export function BulkReactivation({ onClose }: { readonly onClose: () => void }): View {
  const [preview, setPreview] = useState<Preview | null>(null)
  const now = Date.now()
  const initial = { site: '', rule: '', since: toMomentInput(now - DAY_MS), until: toMomentInput(now + 60_000) }
  const form = useForm(initial, async ({ site, rule, since, until }) => {
    if (site.trim() === '' && rule.trim() === '') throw new ApiProblem(t('siteOrRule'), { status: 400 })
    const selection = {
      ...(site.trim() === '' ? {} : { site: site.trim() }),
      ...(rule.trim() === '' ? {} : { rule: rule.trim() }),
      since: readMoment(since) ?? '',
      until: readMoment(until) ?? '',
    }
    setPreview({ selection, outcome: await send(selection, true) })
  })
  return html`<${Dialog} title=${t('bulkTitle')} onClose=${onClose}>
    ${
      preview === null
        ? html`<p class="muted">${t('bulkLead')}</p>
          <${Form} form=${form} action=${t('dryRun')} onCancel=${onClose}>
            <div class="columns">
              <${TextField} form=${form} name="site" label=${t('site')} />
              <${TextField} form=${form} name="rule" label=${t('rule')} />
              <${TextField} form=${form} name="since" type="datetime-local" label=${t('from')} required=${true} />
              <${TextField} form=${form} name="until" type="datetime-local" label=${t('to')} required=${true} />
            </div>
          </${Form}>`
        : html`<${Confirmation} preview=${preview} onClose=${onClose} />`
    }
  </${Dialog}>`
}

function Confirmation({ preview: { selection, outcome }, onClose }: { readonly preview: Preview; readonly onClose: () => void }): View {
  const { run, isBusy, problem } = useAction(async () => {
    const { lifted } = await send(selection, false)
    notify(t('lifted', { n: lifted }))
    onClose()
  })
  return html`<${Note} tone=${outcome.lifted === 0 ? 'plain' : 'warn'}>${t('wouldLift', { n: outcome.lifted })}</${Note}>
    <ul class="sample">${outcome.entries.slice(0, MAX_SHOWN).map((entry) => html`<li key=${entry.addressHash}><${ForeignText} text=${subjectOf(entry)} fallback=${t('erased')} /> <span class="muted">${entry.rule}</span></li>`)}</ul>
    <${ProblemNote} problem=${problem} />
    <div class="buttons">
      <button type="button" class="button" onClick=${onClose}>${common('cancel')}</button>
      <button type="button" class="button main" disabled=${isBusy || outcome.lifted === 0} onClick=${run}>${t('lift', { n: outcome.lifted })}</button>
    </div>`
}
