/**
 * message-page - one copy of a message: what it is, why it waits, its timeline with evidence, raw reports, and the webhooks sent for it
 *
 * See also: pages/messages/timeline, pages/messages/raw-report, pages/messages/message-webhooks, pages/messages/waiting-card.
 */
import { api } from '../../api/client.ts'
import { useEvents } from '../../api/event-stream.ts'
import { useResource } from '../../api/resource.ts'
import type { PageProps } from '../../app/page-props.ts'
import { chosenAccount, pathTo } from '../../app/router.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type Child, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { Note, ProblemNote } from '../../components/note.ts'
import { PageHead } from '../../components/page-head.ts'
import { StatusBadge } from '../../components/status-badge.ts'
import { common } from '../../texts/common-texts.ts'
import { verdictWord } from '../../texts/verdict-texts.ts'
import { MessageWebhooks } from './message-webhooks.ts'
import type { Message, MessageEvent } from './message.ts'
import { messagesTexts as t } from './messages-texts.ts'
import { Timeline } from './timeline.ts'
import { WaitingCard } from './waiting-card.ts'

type MessageWithEvents = Message & { readonly events: readonly MessageEvent[] }

export function MessagePage({ params }: PageProps): View {
  const { id = '' } = params
  const account = chosenAccount.value
  const path = `/messages/${encodeURIComponent(id)}`
  const found = useResource((signal) => api.get<MessageWithEvents>(path, { query: { account }, signal }), [id, account])
  useEvents(null, ({ emailId }) => {
    if (emailId === id) found.refresh()
  })
  const { value } = found
  if (value === null)
    return html`<${PageHead} title=${html`<${ForeignText} text=${id} />`} /><${ProblemNote}
        problem=${found.problem}
        onRetry=${found.refresh}
      />
      ${found.problem === null ? html`<p class="muted">${common('loading')}</p>` : null}`
  return html`<${PageHead} title=${html`<${ForeignText} text=${value.recipient} fallback=${id} />`} lead=${html`<${ForeignText} text=${value.subject} />`}>
      <${StatusBadge} status=${value.status} />
    </${PageHead}>
    <${ProblemNote} problem=${found.problem} onRetry=${found.refresh} />
    ${value.weak ? html`<${Note} tone="warn">${t('weak')}</${Note}>` : null}
    ${value.forwarded ? html`<${Note} tone="warn">${t('forwarded')}</${Note}>` : null}
    ${value.status === 18 ? html`<${WaitingCard} emailId=${id} recipient=${value.recipient ?? ''} />` : null}
    <div class="message-columns">
      <section class="card"><header><h2>${t('timeline')}</h2></header><${Timeline} emailId=${id} events=${value.events} /></section>
      <div class="stack">
        <${Details} message=${value} />
        <${MessageWebhooks} emailId=${id} />
      </div>
    </div>`
}

function Details({ message }: { readonly message: Message }): View {
  const { subStatus, reason, fault, permanence, rule, asynchronousBounce, recipient } = message
  const rows: readonly (readonly [string, Child])[] = [
    [t('from'), html`<${ForeignText} text=${message.from} />`],
    [
      t('recipient'),
      recipient === null ? null : html`<a href=${pathTo('/suppressions', { address: recipient })}><${ForeignText} text=${recipient} /></a>`,
    ],
    [t('reason'), reason === null ? null : html`${verdictWord(reason)} <span class="muted">${subStatus}</span>`],
    [
      t('permanence'),
      permanence === null ? null : html`${verdictWord(permanence)}${asynchronousBounce ? html`, ${t('asynchronous')}` : null}`,
    ],
    [t('fault'), fault === null ? null : verdictWord(fault)],
    [t('rule'), rule === null ? null : html`<a class="mono" href=${pathTo('/rules', { rule })}><${ForeignText} text=${rule} /></a>`],
    [t('label'), message.label === null ? null : html`<${ForeignText} text=${message.label} />`],
    [t('broadcast'), message.broadcast === null ? null : html`<${ForeignText} text=${message.broadcast} />`],
    [t('emailType'), message.emailType],
    [t('requestedAt'), html`<${Moment} at=${message.requestedAt} style="second" />`],
    [t('modifiedAt'), html`<${Moment} at=${message.modifiedAt} style="second" />`],
    [t('deliveredAt'), message.deliveredAt === null ? null : html`<${Moment} at=${message.deliveredAt} style="second" />`],
    [t('openedAt'), message.openedAt === null ? null : html`<${Moment} at=${message.openedAt} style="second" />`],
    [t('billable'), common(message.billable ? 'yes' : 'no')],
    [t('emailId'), html`<span class="mono"><${ForeignText} text=${message.emailId} /></span>`],
    [t('messageId'), html`<span class="mono"><${ForeignText} text=${message.messageId} /></span>`],
  ]
  return html`<section class="card">
    <header><h2>${t('facts')}</h2></header>
    <dl class="pairs">
      ${rows
        .filter(([, value]) => value !== null)
        .map(
          ([name, value]) =>
            html`<dt key=${name}>${name}</dt>
              <dd>${value}</dd>`,
        )}
    </dl>
  </section>`
}
