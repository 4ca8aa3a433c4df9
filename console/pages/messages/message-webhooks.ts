/**
 * message-webhooks - the webhooks that were sent for a message, with the last response of each endpoint
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { chosenAccount } from '../../app/router.ts'
import { Badge } from '../../components/badge.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { ProblemNote } from '../../components/note.ts'
import { messagesTexts as t } from './messages-texts.ts'

type Endpoint = { readonly id: number; readonly url: string }
type Sent = {
  readonly eventId: string
  readonly event: string
  readonly state: 'waiting' | 'heard' | 'failed'
  readonly lastAt: string
  readonly tries: number
  readonly attempts: readonly { readonly status: number | null; readonly millis: number; readonly answer: string }[]
}
type Row = Sent & { readonly endpoint: Endpoint }

/** An account has a few endpoints; each is asked for this message. */
async function readSent(emailId: string, account: string, signal: AbortSignal): Promise<readonly Row[]> {
  const { webhooks } = await api.get<{ readonly webhooks: readonly Endpoint[] }>('/webhooks', { query: { account }, signal })
  const lists = await Promise.all(
    webhooks.slice(0, 20).map(async (endpoint) => {
      const query = { account, emailId, limit: 50 }
      const { deliveries } = await api.get<{ readonly deliveries: readonly Sent[] }>(`/webhooks/${endpoint.id}/deliveries`, {
        query,
        signal,
      })
      return deliveries.map((sent) => ({ ...sent, endpoint }))
    }),
  )
  return lists.flat().toSorted((a, b) => (a.lastAt < b.lastAt ? 1 : -1))
}

export function MessageWebhooks({ emailId }: { readonly emailId: string }): View {
  const account = chosenAccount.value
  const { value, problem, refresh } = useResource((signal) => readSent(emailId, account, signal), [emailId, account], { every: 15_000 })
  return html`<section class="card">
    <header><h2>${t('webhooks')}</h2></header>
    <${ProblemNote} problem=${problem} onRetry=${refresh} />
    ${value !== null && value.length === 0 ? html`<p class="muted">${t('noWebhooks')}</p>` : null}
    <ul class="sent-webhooks">
      ${(value ?? []).map(({ eventId, endpoint, event, state, lastAt, tries, attempts }) => {
        const last = attempts.at(-1)
        return html`<li key=${`${endpoint.id} ${eventId}`}>
          <div class="timeline-head"><strong>${event}</strong><${Badge} tone=${state === 'heard' ? 'good' : state === 'waiting' ? 'warn' : 'bad'}>${t(`${state}State`)}</${Badge}>
            <span class="space"></span><span class="small muted"><${Moment} at=${lastAt} relative=${true} /></span></div>
          <div class="small"><${ForeignText} text=${endpoint.url} /></div>
          <div class="small muted">${last === undefined ? null : html`${last.status ?? '–'} · ${last.millis} ms · `}${t('tries')} ${tries}</div>
          ${last === undefined || last.answer === '' ? null : html`<div class="code small" tabindex="0" role="group" aria-label=${t('reply')}><${ForeignText} text=${last.answer} /></div>`}
        </li>`
      })}
    </ul>
  </section>`
}
