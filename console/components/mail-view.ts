/**
 * mail-view - the source of a mail beside what was read in it: its parts, its recipients, and the words that decided
 *
 * The words that a rule matched are marked in the source where they stand there as such. A part that is chosen is shown in the source. The caller
 * gives the reading (`POST /v1/explain`), so that this component asks nobody.
 *
 * See also: http/api/explain.
 */
import { useRef, useState } from 'preact/hooks'
import { mailTexts as t } from '../texts/mail-texts.ts'
import { verdictWord } from '../texts/verdict-texts.ts'
import { ForeignText, withVisibleControls } from './foreign-text.ts'
import { html, type Child, type View } from './html.ts'

type Span = { readonly from: number; readonly to: number }

type MailPart = { readonly type: string; readonly encoding: string; readonly depth: number; readonly header: Span; readonly body: Span }

type ReadVerdict = {
  readonly rule: string
  readonly table: string
  readonly reason: string
  readonly permanence: string
  readonly subStatus: number
  readonly matched: readonly { readonly words: string; readonly inMail: Span | null }[]
}

type ReadRecipient = {
  readonly recipient: string | null
  readonly action: string
  readonly status: string | null
  readonly reply: string
  readonly verdict: ReadVerdict | null
  readonly recordedBecause: string | null
}

/** The answer of `POST /v1/explain` about a mail. Places are in characters. */
export type MailReading = {
  readonly kind: string
  readonly format: string | null
  readonly reportingMta: string | null
  readonly parts: readonly MailPart[]
  readonly defects: readonly string[]
  readonly recipients: readonly ReadRecipient[]
}

/** A page with more text is slow, and nobody reads it here. */
const MAX_CHARACTERS = 200_000

type MailViewProps = { readonly mail: string; readonly reading: MailReading | null }

export function MailView({ mail, reading }: MailViewProps): View {
  const [part, setPart] = useState<number | null>(null)
  const source = useRef<HTMLPreElement>(null)
  const words = (reading?.recipients ?? []).flatMap(({ verdict }) => verdict?.matched.flatMap(({ inMail }) => inMail ?? []) ?? [])
  const chosen = part === null ? null : (reading?.parts[part]?.header ?? null)
  const choose = (at: number): void => {
    setPart(at)
    // The mark exists only after this is drawn.
    requestAnimationFrame(() => source.current?.querySelector('.chosen')?.scrollIntoView({ block: 'start' }))
  }
  return html`<div class="columns">
    <section class="card">
      <header><h2>${t('source')}</h2></header>
      <pre class="code source" tabindex="0" ref=${source} aria-label=${t('source')}>
${drawSource(mail.slice(0, MAX_CHARACTERS), words, chosen)}</pre>
      ${mail.length > MAX_CHARACTERS ? html`<p class="small muted">${t('shortened', { n: MAX_CHARACTERS })}</p>` : null}
    </section>
    ${reading === null ? null : html`<${Reading} reading=${reading} part=${part} onChoose=${choose} />`}
  </div>`
}

/** The source with marks. Words win over the chosen part where both are. */
function drawSource(text: string, words: readonly Span[], chosen: Span | null): readonly Child[] {
  const edges = [0, text.length, ...words.flatMap(({ from, to }) => [from, to]), ...(chosen === null ? [] : [chosen.from, chosen.to])]
  const cuts = [...new Set(edges)].filter((at) => at <= text.length).toSorted((a, b) => a - b)
  const isIn = (at: number, { from, to }: Span): boolean => at >= from && at < to
  return cuts.slice(0, -1).map((from, at) => {
    // The ends of lines of a mail are CR LF, and nobody wants to see each.
    const piece = withVisibleControls(text.slice(from, cuts[at + 1]).replaceAll(/\r(?=\n|$)/g, ''))
    if (words.some((span) => isIn(from, span))) return html`<mark key=${from}>${piece}</mark>`
    if (chosen !== null && isIn(from, chosen)) return html`<span key=${from} class="chosen">${piece}</span>`
    return html`<span key=${from}>${piece}</span>`
  })
}

type ReadingProps = { readonly reading: MailReading; readonly part: number | null; readonly onChoose: (at: number) => void }

const Reading = ({ reading: { kind, format, reportingMta, parts, defects, recipients }, part, onChoose }: ReadingProps): View =>
  html`<section class="card">
    <header><h2>${t('read')}</h2></header>
    <dl class="pairs">
      <dt>${t('kind')}</dt>
      <dd>${kind}${format === null ? null : html` <span class="muted">(${format})</span>`}</dd>
      <dt>${t('reportingMta')}</dt>
      <dd><${ForeignText} text=${reportingMta} /></dd>
      ${
        defects.length === 0
          ? null
          : html`<dt>${t('defects')}</dt>
              <dd>${defects.join(', ')}</dd>`
      }
    </dl>
    <h3>${t('parts')}</h3>
    <ol class="part-tree">
      ${parts.map(
        ({ type, encoding, depth }, at) =>
          html`<li key=${at} style=${{ '--depth': depth }}>
            <button type="button" class="plain-link" aria-pressed=${part === at} onClick=${() => onChoose(at)}>
              <${ForeignText} text=${type} /> <span class="small muted"><${ForeignText} text=${encoding} fallback="" /></span>
            </button>
          </li>`,
      )}
    </ol>
    <h3>${t('recipients', { n: recipients.length })}</h3>
    ${recipients.length === 0 ? html`<p class="muted">${t('noRecipients')}</p>` : recipients.map((each, at) => html`<${Recipient} key=${at} ...${each} />`)}
  </section>`

const Recipient = ({ recipient, action, status, reply, verdict, recordedBecause }: ReadRecipient): View =>
  html`<dl class="pairs">
    <dt><${ForeignText} text=${recipient} /></dt>
    <dd><${ForeignText} text=${[action, status].filter(Boolean).join(' ')} /></dd>
    <dt>${t('reply')}</dt>
    <dd><${ForeignText} text=${reply} /></dd>
    ${
      verdict === null
        ? null
        : html`<dt>${t('verdict')}</dt>
            <dd>${verdictWord(verdict.reason)} · ${verdictWord(verdict.permanence)} · ${verdict.subStatus}</dd>
            <dt>${t('rule')}</dt>
            <dd><code>${verdict.rule}</code> <span class="small muted">${t('table', { version: verdict.table })}</span></dd>`
    }
    ${
      recordedBecause === null
        ? null
        : html`<dt></dt>
            <dd class="small muted">${t('recorded', { why: recordedBecause })}</dd>`
    }
  </dl>`
