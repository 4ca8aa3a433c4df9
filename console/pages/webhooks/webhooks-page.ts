/**
 * webhooks-page - the webhook endpoints of an account
 *
 * See also: pages/webhooks/endpoint-page (one of them), docs/WEBHOOKS.md.
 */
import { useState } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { chosenAccount, pathTo } from '../../app/router.ts'
import { may } from '../../app/session.ts'
import { Badge } from '../../components/badge.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { PageHead } from '../../components/page-head.ts'
import { EVENTS, type WebhookEndpoint, type WithSecret } from './endpoint.ts'
import { EndpointForm, SecretDialog } from './endpoint-form.ts'
import { HealthBadge } from './health.ts'
import { webhooksTexts as t } from './webhooks-texts.ts'

type Open = { readonly kind: 'add' } | { readonly kind: 'secret'; readonly secret: string }

export function WebhooksPage(): View {
  const account = chosenAccount.value
  const list = useResource(
    (signal) => api.get<{ readonly webhooks: readonly WebhookEndpoint[] }>('/webhooks', { query: { account }, signal }),
    [account],
  )
  const [open, setOpen] = useState<Open | null>(null)
  const close = (): void => setOpen(null)
  const onSaved = ({ secret }: WithSecret): void => {
    list.refresh()
    setOpen(secret === null ? null : { kind: 'secret', secret })
  }
  const add = html`<button type="button" class="button main" onClick=${() => setOpen({ kind: 'add' })}>${t('add')}</button>`
  return html`<${PageHead} title=${t('title')} lead=${t('lead')}>${may('operate') ? add : null}</${PageHead}>
    <${DataTable} caption=${t('title')} columns=${columns(account)} rows=${list.value?.webhooks ?? null} list=${list}
      rowKey=${({ id }: WebhookEndpoint) => String(id)}
      empty=${html`<${EmptyState} title=${t('empty')}><p>${t('emptyHelp')}</p>${may('operate') ? add : null}</${EmptyState}>`} />
    ${open?.kind === 'add' ? html`<${EndpointForm} account=${account} endpoint=${null} onClose=${close} onSaved=${onSaved} />` : null}
    ${open?.kind === 'secret' ? html`<${SecretDialog} secret=${open.secret} onClose=${close} />` : null}`
}

const columns = (account: string): readonly Column<WebhookEndpoint>[] => [
  {
    key: 'url',
    title: t('url'),
    isHeading: true,
    sortBy: ({ url }) => url,
    cell: ({ id, url, name }) =>
      html`<a href=${pathTo(`/webhooks/${id}`)}><${ForeignText} text=${url} /></a
        >${name === '' ? null : html`<span class="sub"><${ForeignText} text=${name} /></span>`}`,
  },
  {
    key: 'events',
    title: t('events'),
    sortBy: ({ events }) => events.length,
    cell: ({ events }) => (events.length <= 3 ? events.join(', ') : t('eventsOf', { n: events.length, all: EVENTS.length })),
  },
  { key: 'format', title: t('format'), sortBy: ({ format }) => format, cell: ({ format }) => html`<code>${format}</code>` },
  { key: 'health', title: t('health'), cell: ({ id }) => html`<${HealthBadge} id=${id} account=${account} />` },
  {
    key: 'state',
    title: t('state'),
    sortBy: ({ enabled }) => enabled,
    cell: ({ enabled }) => html`<${Badge} tone=${enabled ? 'good' : 'bad'}>${t(enabled ? 'enabled' : 'disabled')}</${Badge}>`,
  },
]
