/**
 * waiting-card - why a message that is on the way waits: its own retry, what holds its lane, and when it sends next
 *
 * See also: docs/QUEUE.md.
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { chosenAccount, pathTo } from '../../app/router.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { laneTexts } from '../../texts/lane-texts.ts'
import { messagesTexts as t } from './messages-texts.ts'

/** `why` of `GET /v1/messages/:emailId`. */
type Waiting = {
  readonly state: 'sending' | 'scheduled' | 'deferred' | 'held' | 'due' | 'loading' | 'not-delivering'
  readonly reason: string | null
  readonly nextSendingAt: string | null
  readonly attempts: number
  readonly waiting: number | null
  readonly evidence: readonly { readonly at: string; readonly code: number | null; readonly text: string | null }[]
}

const STATE_TEXTS = {
  sending: 'waitsSending',
  scheduled: 'waitsScheduled',
  deferred: 'waitsDeferred',
  held: 'waitsHeld',
  due: 'waitsNothing',
  loading: 'waitsLoading',
  'not-delivering': 'notDelivering',
} as const satisfies Record<Waiting['state'], string>

export function WaitingCard({ emailId, recipient }: { readonly emailId: string; readonly recipient: string }): View {
  const domain = recipient.slice(recipient.lastIndexOf('@') + 1)
  const account = chosenAccount.value
  const { value } = useResource(
    (signal) => api.get<{ readonly why: Waiting | null }>(`/messages/${encodeURIComponent(emailId)}`, { query: { account }, signal }),
    [account, emailId],
    { every: 5_000 },
  )
  const why = value?.why ?? null
  return html`<section class="card">
    <header>
      <h2>${t('waits')}</h2>
      <a class="button small" href=${pathTo('/queue', { domain })}>${domain}</a>
    </header>
    ${
      why === null
        ? html`<p class="muted">${value === null ? ' ' : t('waitsElsewhere')}</p>`
        : html`<p>
              ${t(STATE_TEXTS[why.state], { n: why.attempts })}${why.state === 'due' || why.reason === null ? null : ` ${laneTexts.word(why.reason)} `}
              ${
                why.state === 'held' || why.state === 'deferred' || why.state === 'scheduled'
                  ? html`· ${t('nextSending')}: <${Moment} at=${why.nextSendingAt} relative=${true} fallback=${t('onlyReply')} />`
                  : null
              }
            </p>
            ${why.waiting === null ? null : html`<p class="muted">${t('laneWaiting', { n: why.waiting })}</p>`}
            ${why.evidence.slice(0, 3).map(
              ({ at, code, text }) =>
                html`<div key=${at} class="small muted"><${Moment} at=${at} style="second" /></div>
                  <div class="code" tabindex="0" role="group" aria-label=${t('reply')}>
                    <${ForeignText} text=${text} fallback=${code} />
                  </div>`,
            )}`
    }
  </section>`
}
