/**
 * endpoint-page - one webhook endpoint: how it answers, what was sent to it, and what a person does about it
 *
 * See also: pages/webhooks/delivery-log, http/api/webhooks.
 */
import { useState } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { toProblem, useResource } from '../../api/resource.ts'
import type { PageProps } from '../../app/page-props.ts'
import { chosenAccount, navigate, pathTo } from '../../app/router.ts'
import { may } from '../../app/session.ts'
import { Badge } from '../../components/badge.ts'
import { CopyField } from '../../components/copy-field.ts'
import { ConfirmDialog } from '../../components/dialog.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { notify, ProblemNote } from '../../components/note.ts'
import { PageHead } from '../../components/page-head.ts'
import { RowMenu } from '../../components/row-menu.ts'
import { common } from '../../texts/common-texts.ts'
import { DeliveryLog } from './delivery-log.ts'
import { EVENTS, type WebhookEndpoint, type WithSecret } from './endpoint.ts'
import { EndpointForm, SecretDialog } from './endpoint-form.ts'
import { HealthCard, useHealth } from './health.ts'
import { ReplayDialog } from './replay-dialog.ts'
import { webhooksTexts as t } from './webhooks-texts.ts'

type Open = 'edit' | 'rotate' | 'remove' | 'replay' | { readonly secret: string }

export function EndpointPage({ params }: PageProps): View {
  const account = chosenAccount.value
  const id = Number(params['id'])
  const endpoint = useResource((signal) => api.get<WebhookEndpoint>(`/webhooks/${id}`, { query: { account }, signal }), [id, account])
  const health = useHealth(id, account)
  const [open, setOpen] = useState<Open | null>(null)
  const { value } = endpoint
  const onSaved = ({ secret }: WithSecret): void => {
    endpoint.refresh()
    notify(t('saved'))
    setOpen(secret === null ? null : { secret })
  }
  return html`<nav><a href=${pathTo('/webhooks')}>← ${t('back')}</a></nav>
    <${PageHead} title=${value === null ? t('endpoint') : html`<${ForeignText} text=${value.url} />`}>
      ${value === null || !may('operate') ? null : html`<${Actions} endpoint=${value} account=${account} setOpen=${setOpen} onSaved=${onSaved} />`}
    </${PageHead}>
    <${ProblemNote} problem=${endpoint.problem} onRetry=${endpoint.refresh} />
    ${
      value === null
        ? null
        : html`<div class="columns">
              <${Choices} endpoint=${value} />
              ${health.value === null ? null : html`<${HealthCard} health=${health.value} />`}
            </div>
            <${DeliveryLog} id=${id} account=${account} />
            <${Dialogs} open=${open} endpoint=${value} account=${account} onClose=${() => setOpen(null)} onSaved=${onSaved} />`
    }`
}

const Choices = ({
  endpoint: { name, events, apiUsers, format, ladder, publicKey, enabled },
}: {
  readonly endpoint: WebhookEndpoint
}): View =>
  html`<section class="card">
    <header><h2>${t('endpoint')}</h2></header>
    <dl class="pairs">
      <dt>${t('state')}</dt>
      <dd><${Badge} tone=${enabled ? 'good' : 'bad'}>${t(enabled ? 'enabled' : 'disabled')}</${Badge}></dd>
      <dt>${t('name')}</dt>
      <dd><${ForeignText} text=${name} /></dd>
      <dt>${t('format')}</dt>
      <dd><code>${format}</code></dd>
      ${
        publicKey === null
          ? null
          : html`<dt>${t('publicKey')}</dt>
              <dd><${CopyField} label=${t('publicKey')} text=${publicKey} /></dd>`
      }
      <dt>${t('ladder')}</dt>
      <dd>${t(ladder === 'vendor' ? 'vendor' : 'standard')}</dd>
      <dt>${t('events')}</dt>
      <dd>${events.length === EVENTS.length ? common('all') : events.join(', ')}</dd>
      <dt>${t('apiUsersOnly')}</dt>
      <dd><${ForeignText} text=${apiUsers.join(', ')} fallback=${common('all')} /></dd>
    </dl>
  </section>`

type ActionsProps = {
  readonly endpoint: WebhookEndpoint
  readonly account: string
  readonly setOpen: (open: Open) => void
  readonly onSaved: (endpoint: WithSecret) => void
}

type TestResponse = { readonly status: number | null; readonly millis: number; readonly response: string }

function Actions({ endpoint: { id, enabled, url }, account, setOpen, onSaved }: ActionsProps): View {
  const test = async (): Promise<void> => {
    const { status, millis, response: answer } = await api.post<TestResponse>(`/webhooks/${id}/test`, { query: { account } })
    const isGood = status !== null && status >= 200 && status < 300
    notify(
      status === null ? t('notAnswered', { answer }) : t('tested', { status: String(status), n: millis, answer }),
      isGood ? 'good' : 'bad',
    )
  }
  const toggle = async (): Promise<void> =>
    onSaved(await api.patch<WithSecret>(`/webhooks/${id}`, { query: { account }, body: { enabled: !enabled } }))
  const show = (open: Open) => (): Promise<void> => Promise.resolve(setOpen(open))
  const items = [
    { text: t('test'), run: test },
    { text: t('edit'), run: show('edit') },
    { text: t(enabled ? 'disable' : 'enable'), run: toggle },
    { text: t('rotate'), run: show('rotate') },
    { text: t('replayTitle'), run: show('replay') },
    { text: t('remove'), isDanger: true, run: show('remove') },
  ]
  return html`<${RowMenu}
    label=${`${common('actions')}: ${url}`}
    items=${items}
    onProblem=${(error: unknown) => notify(toProblem(error).message, 'bad')}
  />`
}

type DialogsProps = {
  readonly open: Open | null
  readonly endpoint: WebhookEndpoint
  readonly account: string
  readonly onClose: () => void
  readonly onSaved: (endpoint: WithSecret) => void
}

function Dialogs({ open, endpoint, account, onClose, onSaved }: DialogsProps): View | null {
  const path = `/webhooks/${endpoint.id}`
  const query = { account }
  if (open === null) return null
  if (typeof open === 'object') return html`<${SecretDialog} secret=${open.secret} onClose=${onClose} />`
  if (open === 'edit') return html`<${EndpointForm} account=${account} endpoint=${endpoint} onClose=${onClose} onSaved=${onSaved} />`
  if (open === 'replay') return html`<${ReplayDialog} id=${endpoint.id} account=${account} onClose=${onClose} />`
  if (open === 'rotate') {
    let rotated: WithSecret | null = null
    const rotate = async (): Promise<void> => {
      rotated = await api.patch<WithSecret>(path, { query, body: { rotate: true } })
    }
    return html`<${ConfirmDialog} title=${t('rotateTitle')} action=${t('rotate')} onConfirm=${rotate}
      onClose=${() => (rotated === null ? onClose() : onSaved(rotated))}><p>${t('rotateText')}</p></${ConfirmDialog}>`
  }
  return html`<${ConfirmDialog} title=${t('removeTitle')} action=${t('remove')} isDanger=${true} onClose=${onClose}
    onConfirm=${async () => {
      await api.delete(path, { query })
      navigate(pathTo('/webhooks'))
    }}><p>${t('removeText')}</p></${ConfirmDialog}>`
}
