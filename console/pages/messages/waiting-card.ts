/**
 * waiting-card - why a message that is on the way waits: the lane of its domain, its reason, and when it sends next
 *
 * See also: docs/QUEUE.md.
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { chosenAccount, pathTo } from '../../app/router.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { messagesTexts as t } from './messages-texts.ts'

type Lane = {
  readonly domain: string
  readonly state: string
  readonly reason: string | null
  readonly nextSendingAt: string | null
  readonly waiting: number
  readonly evidence: readonly { readonly at: string; readonly code: number | null; readonly text: string | null }[]
}

export function WaitingCard({ recipient }: { readonly recipient: string }): View {
  const domain = recipient.slice(recipient.lastIndexOf('@') + 1)
  const account = chosenAccount.value
  const { value } = useResource(
    (signal) =>
      api.get<{ readonly delivering: boolean; readonly lanes: readonly Lane[] }>('/queue', { query: { account, domain }, signal }),
    [account, domain],
    { every: 5_000 },
  )
  const lane = value?.lanes[0]
  return html`<section class="card">
    <header>
      <h2>${t('waits')}</h2>
      <a class="button small" href=${pathTo('/queue', { domain })}>${domain}</a>
    </header>
    ${value?.delivering === false ? html`<p>${t('notDelivering')}</p>` : null}
    ${
      lane === undefined
        ? html`<p class="muted">${value === null ? ' ' : t('waitsNothing')}</p>`
        : html`<p>
              ${t('waitsLane', { domain, state: lane.state })} ${lane.reason} · ${t('nextSending')}:
              <${Moment} at=${lane.nextSendingAt} relative=${true} fallback=${t('onlyReply')} />
            </p>
            <p class="muted">${t('laneWaiting', { n: lane.waiting })}</p>
            ${lane.evidence.slice(0, 3).map(({ at, code, text }) => html`<div key=${at} class="code" tabindex="0" role="group" aria-label=${t('reply')}><${ForeignText} text=${text} fallback=${code} /></div>`)}`
    }
  </section>`
}
