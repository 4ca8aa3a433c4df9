/**
 * inbox-item-page - one mail of the inbox: its source beside what was read in it, and what a person decides
 *
 * See also: components/mail-view, http/api/inbox.
 */
import { useState } from 'preact/hooks'
import { api, apiUrl, fetchApi } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import type { PageProps } from '../../app/page-props.ts'
import { chosenAccount, pathTo } from '../../app/router.ts'
import { isOperator, may } from '../../app/session.ts'
import { Badge } from '../../components/badge.ts'
import { ConfirmDialog, Dialog, useAction } from '../../components/dialog.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { CheckField, Form, TextField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { MailView, type MailReading } from '../../components/mail-view.ts'
import { Moment } from '../../components/moment.ts'
import { Note, notify, ProblemNote } from '../../components/note.ts'
import { PageHead } from '../../components/page-head.ts'
import { outcomeText, STATE_TONES, type InboxItem } from './inbox-item.ts'
import { inboxTexts as t } from './inbox-texts.ts'

type Outcome = InboxItem & { readonly changed: boolean; readonly problem: string | null; readonly events: readonly unknown[] }

export function InboxItemPage({ params: { id = '' } }: PageProps): View {
  const account = chosenAccount.value
  const item = useResource((signal) => api.get<InboxItem>(`/inbox/${id}`, { query: { account }, signal }), [id, account])
  const raw = useResource(
    async (signal) => (await fetchApi('GET', `/inbox/${id}/raw`, { query: { account }, signal })).text(),
    [id, account],
  )
  const reading = useResource(
    async (signal) =>
      raw.value === null ? null : api.post<MailReading>('/explain', { query: { account }, body: { mail: raw.value }, signal }),
    [id, account, raw.value !== null],
  )
  const { value } = item
  return html`<nav><a href=${pathTo('/inbox')}>← ${t('back')}</a></nav>
    <${PageHead} title=${value === null ? t('item') : html`<${ForeignText} text=${value.subject} fallback=${t('noSubject')} />`}>
      ${raw.value === null ? null : html`<a class="button" href=${apiUrl(`/inbox/${id}/raw`, { account })} download>${t('download')}</a>`}
      ${raw.value === null || !isOperator.value || !may('operate') ? null : html`<a class="button" href=${pathTo('/rules/draft', { inbox: id })}>${t('makeRule')}</a>`}
      ${value === null || !may('operate') ? null : html`<${Actions} item=${value} account=${account} onChange=${item.refresh} />`}
    </${PageHead}>
    <${ProblemNote} problem=${item.problem} onRetry=${item.refresh} />
    ${value === null ? null : html`<${Facts} item=${value} />`}
    ${raw.value === null ? (raw.problem?.status === 404 ? html`<${Note}>${t('rawGone')}</${Note}>` : null) : html`<${MailView} mail=${raw.value} reading=${reading.value} />`}`
}

const Facts = ({ item: { from, kind, reason, receivedAt, state, summary } }: { readonly item: InboxItem }): View =>
  html`<section class="card">
    <dl class="pairs">
      <dt>${t('state')}</dt>
      <dd><${Badge} tone=${STATE_TONES[state]}>${t(state)}</${Badge}></dd>
      <dt>${t('reason')}</dt>
      <dd>${t(reason)}</dd>
      <dt>${t('from')}</dt>
      <dd><${ForeignText} text=${from} /></dd>
      <dt>${t('kind')}</dt>
      <dd><code>${kind}</code></dd>
      <dt>${t('received')}</dt>
      <dd><${Moment} at=${receivedAt} style="second" /></dd>
      <dt>${t('summary')}</dt>
      <dd><${ForeignText} text=${summary} /></dd>
    </dl>
  </section>`

type ActionsProps = { readonly item: InboxItem; readonly account: string; readonly onChange: () => void }

function Actions({ item: { id, state }, account, onChange }: ActionsProps): View {
  const [open, setOpen] = useState<'accept' | 'discard' | 'link' | null>(null)
  const close = (): void => {
    setOpen(null)
    onChange()
  }
  const act = async (action: string, body?: object): Promise<void> => {
    const outcome = await api.post<Outcome>(`/inbox/${id}/${action}`, { query: { account }, body: body ?? {} })
    notify(outcome.problem ?? outcomeText(outcome), outcome.problem === null ? 'good' : 'warn')
    close()
  }
  const replay = useAction(() => act('replay'))
  const button = (action: 'accept' | 'discard' | 'link', tone: string): View =>
    html`<button type="button" class=${`button ${tone}`} onClick=${() => setOpen(action)}>${t(action)}</button>`
  return html`<button type="button" class="button" disabled=${replay.isBusy} onClick=${replay.run}>${t('replay')}</button>
    ${state === 'open' ? html`${button('link', '')}${button('discard', 'danger')}${button('accept', 'main')}` : null}
    <${ProblemNote} problem=${replay.problem} />
    ${open === 'accept' ? html`<${Decision} action="accept" send=${act} onClose=${close} />` : null}
    ${open === 'link' ? html`<${Decision} action="link" send=${act} onClose=${close} />` : null}
    ${
      open === 'discard'
        ? html`<${ConfirmDialog} title=${t('discardTitle')} action=${t('discard')} isDanger=${true} onClose=${close} onConfirm=${() => act('discard')}>
            <p>${t('discardText')}</p>
          </${ConfirmDialog}>`
        : null
    }`
}

type DecisionProps = {
  readonly action: 'accept' | 'link'
  readonly send: (action: string, body: object) => Promise<void>
  readonly onClose: () => void
}

/** Asks first. If the mail names another recipient, the daemon refuses once, with both recipients, and the reader may insist. */
function Decision({ action, send, onClose }: DecisionProps): View {
  const form = useForm({ emailId: '', force: false }, ({ emailId, force }) =>
    send(action, action === 'link' ? { emailId, force } : { force }),
  )
  const isLink = action === 'link'
  return html`<${Dialog} title=${t(isLink ? 'linkTitle' : 'acceptTitle')} onClose=${onClose}>
    <${Form} form=${form} action=${t(action)} onCancel=${onClose}>
      <p>${t('acceptText')}</p>
      ${isLink ? html`<${TextField} form=${form} name="emailId" label=${t('emailId')} required=${true} />` : null}
      ${form.problem?.status === 409 || form.values.force ? html`<${CheckField} form=${form} name="force" label=${t('force')} hint=${t('forceHint')} />` : null}
    </${Form}>
  </${Dialog}>`
}
