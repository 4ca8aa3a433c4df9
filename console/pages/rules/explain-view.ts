/**
 * explain-view - what a pasted reply or mail means, with the words that decided
 *
 * Text with a header field at its start is a mail, anything else a reply.
 *
 * See also: components/mail-view, http/api/rules/explain.
 */
import { useState } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { pathTo } from '../../app/router.ts'
import { may } from '../../app/session.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { Form, TextArea, TextField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { MailView, type MailReading } from '../../components/mail-view.ts'
import { MarkedText } from '../../components/marked-text.ts'
import { Note } from '../../components/note.ts'
import { rulesTexts as t } from './rules-texts.ts'

type Verdict = {
  readonly rule: string
  readonly table: string
  readonly provider: string | null
  readonly reason: string
  readonly permanence: string
  readonly subStatus: number
  readonly text: string
  readonly matched: readonly { readonly words: string }[]
}

/** `POST /v1/explain`. */
type Explained = Omit<MailReading, 'recipients'> & {
  readonly recipients: readonly (MailReading['recipients'][number] & { readonly verdict: Verdict | null })[]
}

type Answer = { readonly pasted: string; readonly isMail: boolean; readonly explained: Explained }

/** A header field, as every mail begins with one. */
const isMail = (text: string): boolean => /^(?:From .*\n)?[A-Za-z][A-Za-z0-9-]{1,60}:[^\n]*\n/.test(text)

/** The longest reply that the daemon takes. */
const MAX_REPLY = 4_096

export function ExplainView(): View {
  const [answer, setAnswer] = useState<Answer | null>(null)
  const form = useForm({ text: '', mx: '' }, async ({ text, mx }) => {
    const asMail = isMail(text) || text.length > MAX_REPLY
    const body = asMail ? { mail: text } : { reply: text.trim(), ...(mx.trim() === '' ? {} : { mx: mx.trim() }) }
    setAnswer({ pasted: text, isMail: asMail, explained: await api.post<Explained>('/explain', { body }) })
  })
  return html`<section class="card">
      <${Form} form=${form} action=${t('run')}>
        <${TextArea} form=${form} name="text" label=${t('paste')} hint=${t('pasteHint')} rows=${7} required=${true} />
        <${TextField} form=${form} name="mx" label=${t('mx')} hint=${t('mxHint')} />
      </${Form}>
    </section>
    <div aria-live="polite">${answer === null ? null : html`<${AnswerView} ...${answer} />`}</div>`
}

function AnswerView({ pasted, isMail: asMail, explained }: Answer): View {
  const verdicts = explained.recipients.flatMap(({ verdict, recipient }) => (verdict === null ? [] : [{ verdict, recipient }]))
  return html`<div class="stack">
    ${verdicts.length === 0 ? html`<${Note}>${t('noVerdict')}</${Note}>` : verdicts.slice(0, 20).map((each, at) => html`<${VerdictCard} key=${at} ...${each} />`)}
    ${asMail ? html`<${MailView} mail=${pasted} reading=${explained} />` : null}
  </div>`
}

function VerdictCard({ verdict, recipient }: { readonly verdict: Verdict; readonly recipient: string | null }): View {
  const { reason, permanence, subStatus, rule, table, provider, text, matched } = verdict
  const link = pathTo('/rules/draft', { reply: text.slice(0, 400) })
  return html`<section class="card">
    <header>
      <h2>${t('verdict')} ${recipient === null ? null : html`<${ForeignText} text=${recipient} />`}</h2>
      ${may('operate') ? html`<a class="button small" href=${link}>${t('makeRule')}</a>` : null}
    </header>
    <dl class="pairs">
      <dt>${t('meaning')}</dt>
      <dd>${reason} · ${permanence} · ${subStatus}</dd>
      <dt>${t('rule')}</dt>
      <dd><code>${rule}</code> <span class="small muted">${t('table', { version: table })}</span></dd>
      <dt>${t('provider')}</dt>
      <dd>${provider ?? '–'}</dd>
      <dt>${t('text')}</dt>
      <dd class="mono"><${MarkedText} text=${text} phrases=${matched.map(({ words }) => words)} /></dd>
    </dl>
  </section>`
}
