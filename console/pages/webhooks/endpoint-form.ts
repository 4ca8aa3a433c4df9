/**
 * endpoint-form - adds an endpoint or changes one, and shows a secret once
 */
import { api } from '../../api/client.ts'
import { CopyField } from '../../components/copy-field.ts'
import { Dialog } from '../../components/dialog.ts'
import { Form, SelectField, TextField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { common } from '../../texts/common-texts.ts'
import { EVENTS, FORMATS, LADDERS, type WebhookEndpoint, type WithSecret } from './endpoint.ts'
import { webhooksTexts as t } from './webhooks-texts.ts'

type EndpointFormProps = {
  readonly account: string
  /** Null: a new one. */
  readonly endpoint: WebhookEndpoint | null
  readonly onClose: () => void
  /** Called with what the daemon stored; a new endpoint comes with its secret. */
  readonly onSaved: (endpoint: WithSecret) => void
}

export function EndpointForm({ account, endpoint, onClose, onSaved }: EndpointFormProps): View {
  const chosen = endpoint === null || endpoint.events.length === EVENTS.length ? [] : endpoint.events
  const initial = {
    url: endpoint?.url ?? '',
    name: endpoint?.name ?? '',
    events: chosen.join(' '),
    apiUsers: endpoint?.apiUsers.join(', ') ?? '',
    format: endpoint?.format ?? 'bounced',
    ladder: endpoint?.ladder ?? 'standard',
  }
  const form = useForm(initial, async ({ events, apiUsers, ...rest }) => {
    const body = {
      ...rest,
      events: events === '' ? EVENTS : events.split(' '),
      apiUsers: apiUsers.split(/[\s,]+/).filter((each) => each !== ''),
    }
    const query = { account }
    onSaved(
      endpoint === null
        ? await api.post<WithSecret>('/webhooks', { query, body })
        : await api.patch<WithSecret>(`/webhooks/${endpoint.id}`, { query, body }),
    )
  })
  const picked = form.values.events === '' ? [] : form.values.events.split(' ')
  return html`<${Dialog} title=${t(endpoint === null ? 'add' : 'edit')} onClose=${onClose} isWide=${true}>
    <${Form} form=${form} action=${endpoint === null ? common('add') : common('save')} onCancel=${onClose}>
      <${TextField} form=${form} name="url" type="url" label=${t('url')} required=${true} />
      <${TextField} form=${form} name="name" label=${t('name')} />
      <${SelectField} form=${form} name="format" label=${t('format')} options=${FORMATS.map((value) => ({ value, text: t(value) }))} />
      <${SelectField} form=${form} name="ladder" label=${t('ladder')} options=${LADDERS.map((value) => ({ value, text: t(value) }))} />
      <${EventChoice} picked=${picked} onChange=${(events: readonly string[]) => form.set({ events: events.join(' ') })} />
      <${TextField} form=${form} name="apiUsers" label=${t('apiUsers')} />
    </${Form}>
  </${Dialog}>`
}

/** None chosen is all. */
function EventChoice({
  picked,
  onChange,
}: {
  readonly picked: readonly string[]
  readonly onChange: (events: readonly string[]) => void
}): View {
  const toggle = (event: string): void => onChange(EVENTS.filter((each) => (each === event) !== picked.includes(each)))
  return html`<fieldset>
    <legend>${t('events')}</legend>
    <span class="hint small muted">${t('eventsHint')}</span>
    <div class="check-grid">
      ${EVENTS.map(
        (event) =>
          html`<label key=${event} class="check"
            ><input type="checkbox" checked=${picked.includes(event)} onChange=${() => toggle(event)} /><code>${event}</code></label
          >`,
      )}
    </div>
  </fieldset>`
}

export const SecretDialog = ({ secret, onClose }: { readonly secret: string; readonly onClose: () => void }): View =>
  html`<${Dialog} title=${t('secretTitle')} onClose=${onClose}>
    <p>${t('secretText')}</p>
    <${CopyField} label=${t('secretTitle')} text=${secret} />
    <div class="buttons"><button type="button" class="button main" onClick=${onClose}>${common('close')}</button></div>
  </${Dialog}>`
