/**
 * reclassification-page - one reclassification: its progress, what would change or was changed, samples, and what a person decides
 *
 * See also: docs/RULES.md.
 */
import { useState } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import type { PageProps } from '../../app/page-props.ts'
import { navigate, pathTo } from '../../app/router.ts'
import { may } from '../../app/session.ts'
import { Badge } from '../../components/badge.ts'
import { ConfirmDialog, Dialog, useAction } from '../../components/dialog.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { CheckField, Form, SelectField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { Note, notify, ProblemNote } from '../../components/note.ts'
import { PageHead } from '../../components/page-head.ts'
import { isRunning, JOB_TONES, type Reclassification, type Sample } from './reclassification.ts'
import { reclassifyTexts as t } from './reclassify-texts.ts'
import { Samples, SummaryCards } from './changes.ts'

type Detail = Reclassification & { readonly samples: readonly Sample[] }

const REFRESH_MS = 2_000

export function ReclassificationDetailPage({ params: { id = '' } }: PageProps): View {
  const [isOver, setOver] = useState(false)
  const path = `/reclassifications/${encodeURIComponent(id)}`
  const job = useResource(
    async (signal) => {
      const found = await api.get<Detail>(path, { signal })
      setOver(!isRunning(found.state))
      return found
    },
    [id],
    isOver ? {} : { every: REFRESH_MS },
  )
  const { value } = job
  return html`<nav><a href=${pathTo('/rules/reclassifications')}>← ${t('back')}</a></nav>
    <${PageHead} title=${t('item')}>
      ${value === null || !may('operate') ? null : html`<${Actions} job=${value} path=${path} onChange=${job.refresh} />`}
    </${PageHead}>
    <${ProblemNote} problem=${job.problem} onRetry=${job.refresh} />
    ${value === null ? null : html`<${Facts} job=${value} /><${Changes} job=${value} />`}`
}

function Changes({ job: { state, preview, outcome, samples, appliedBy } }: { readonly job: Detail }): View {
  const isApplied = appliedBy !== null || state === 'applied' || state === 'applying'
  return html`${isApplied ? html`<${SummaryCards} title=${t('outcome')} summary=${outcome} />` : null}
    ${isApplied ? null : html`<${SummaryCards} title=${t('preview')} summary=${preview} />`} <${Samples} samples=${samples} />`
}

const Facts = ({ job }: { readonly job: Detail }): View =>
  html`<section class="card">
    ${job.error === null ? null : html`<${Note} tone="bad"><${ForeignText} text=${job.error} /></${Note}>`}
    <dl class="pairs">
      <dt>${t('state')}</dt>
      <dd><${Badge} tone=${JOB_TONES[job.state]}>${t(job.state)}</${Badge}></dd>
      ${
        isRunning(job.state)
          ? html`<dt>${t('progress')}</dt>
              <dd><progress max="1" value=${job.progress} aria-label=${t('progress')}></progress> ${Math.floor(job.progress * 100)} %</dd>`
          : null
      }
      <dt>${t('what')}</dt>
      <dd>${
        job.undoes === null
          ? t('rulesOf', { table: job.table ?? '–' })
          : html`<a href=${pathTo(`/rules/reclassifications/${job.undoes}`)}>${t('undoes')}</a>`
      }</dd>
      <dt>${t('account')}</dt>
      <dd><${ForeignText} text=${job.account} fallback=${t('allAccounts')} /></dd>
      <dt>${t('time')}</dt>
      <dd><${Moment} at=${job.since} /> – <${Moment} at=${job.until} /></dd>
      <dt>${t('by')}</dt>
      <dd><${ForeignText} text=${[...new Set([job.askedBy, job.appliedBy ?? job.askedBy])].join(', ')} /></dd>
    </dl>
  </section>`

type ActionsProps = { readonly job: Detail; readonly path: string; readonly onChange: () => void }

function Actions({ job, path, onChange }: ActionsProps): View {
  const [open, setOpen] = useState<'apply' | 'cancel' | null>(null)
  const close = (): void => {
    setOpen(null)
    onChange()
  }
  const undo = useAction(async () => {
    const { id } = await api.post<Reclassification>(`${path}/undo`)
    notify(t('undone'))
    navigate(pathTo(`/rules/reclassifications/${id}`))
  })
  const canUndo = !isRunning(job.state) && job.outcome.changed > 0
  const canCancel = isRunning(job.state) || job.state === 'checked'
  return html`${canUndo ? html`<button type="button" class="button" disabled=${undo.isBusy} onClick=${undo.run}>${t('undo')}</button>` : null}
    ${canCancel ? html`<button type="button" class="button" onClick=${() => setOpen('cancel')}>${t('cancel')}</button>` : null}
    ${job.state === 'checked' && job.preview.changed > 0 ? html`<button type="button" class="button main" onClick=${() => setOpen('apply')}>${t('apply')}</button>` : null}
    <${ProblemNote} problem=${undo.problem} />
    ${open === 'apply' ? html`<${ApplyDialog} job=${job} path=${path} onClose=${close} />` : null}
    ${
      open === 'cancel'
        ? html`<${ConfirmDialog} title=${t('cancelTitle')} action=${t('cancel')} onClose=${close} onConfirm=${() => api.post(`${path}/cancel`)}>
            <p>${t('cancelText')}</p>
          </${ConfirmDialog}>`
        : null
    }`
}

function ApplyDialog({ job, path, onClose }: { readonly job: Detail; readonly path: string; readonly onClose: () => void }): View {
  const form = useForm({ lists: 'none', webhooks: false }, async ({ lists, webhooks }) => {
    await api.post(`${path}/apply`, { body: { lists, webhooks } })
    onClose()
  })
  const options = [
    { value: 'none', text: t('none') },
    { value: 'remove', text: t('removeChoice') },
    { value: 'add', text: t('addChoice') },
    { value: 'all', text: t('all') },
  ]
  return html`<${Dialog} title=${t('applyTitle')} onClose=${onClose}>
    <${Form} form=${form} action=${t('apply')} onCancel=${onClose}>
      <p>${t('applyText', { n: job.preview.changed })}</p>
      <${SelectField} form=${form} name="lists" label=${t('listsChoice')} options=${options} />
      <${CheckField} form=${form} name="webhooks" label=${t('webhooks')} />
    </${Form}>
  </${Dialog}>`
}
