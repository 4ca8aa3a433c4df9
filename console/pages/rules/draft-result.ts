/**
 * draft-result - what the evidence says about each rule of a draft
 *
 * See also: http/api/rules/rule-files.
 */
import { Badge } from '../../components/badge.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { MarkedText } from '../../components/marked-text.ts'
import { Note } from '../../components/note.ts'
import { rulesTexts as t } from './rules-texts.ts'

type CheckedReply = { readonly text: string; readonly decidedBy: string; readonly matched: readonly string[]; readonly ok: boolean }
type CheckedRule = {
  readonly id: string
  readonly hits: readonly CheckedReply[]
  readonly misses: readonly CheckedReply[]
  readonly shadowedBy: readonly string[]
}

/** `POST /v1/rules/check`. */
export type CheckedDraft = {
  readonly loads: boolean
  readonly problems: readonly string[]
  readonly rules: readonly CheckedRule[]
  readonly taken: readonly { readonly rule: string; readonly text: string; readonly takenBy: string }[]
}

export const DraftResult = ({ checked: { loads, problems, rules, taken } }: { readonly checked: CheckedDraft }): View =>
  html`<section class="card">
    <header><h2><${Badge} tone=${loads ? 'good' : 'bad'}>${t(loads ? 'loads' : 'loadsNot')}</${Badge}></h2></header>
    ${problems.map((problem, at) => html`<${Note} key=${at} tone="bad"><${ForeignText} text=${problem} /></${Note}>`)}
    ${rules.map((rule) => html`<${RuleResult} key=${rule.id} rule=${rule} />`)}
    ${
      taken.length === 0
        ? null
        : html`<h3>${t('taken')}</h3>
            <ul class="rows">
              ${taken.map(({ rule, text }, at) => html`<li key=${at}><code>${rule}</code> <${ForeignText} text=${text} /></li>`)}
            </ul>`
    }
  </section>`

const RuleResult = ({ rule: { id, hits, misses, shadowedBy } }: { readonly rule: CheckedRule }): View =>
  html`<div class="stack">
    <h3><code>${id}</code></h3>
    ${shadowedBy.length === 0 ? null : html`<${Note} tone="warn">${t('shadowed', { rules: shadowedBy.join(', ') })}</${Note}>`}
    <dl class="pairs">
      <dt>${t('hits')}</dt>
      ${hits.map((reply, at) => html`<${ReplyResult} key=${at} reply=${reply} />`)}
      <dt>${t('misses')}</dt>
      ${misses.map((reply, at) => html`<${ReplyResult} key=${at} reply=${reply} />`)}
    </dl>
  </div>`

const ReplyResult = ({ reply: { text, decidedBy, matched, ok } }: { readonly reply: CheckedReply }): View =>
  html`<dd>
    <${MarkedText} text=${text} phrases=${matched} /> <${Badge} tone=${ok ? 'good' : 'bad'}>${
      ok ? t('asWanted') : t('decidedBy', { rule: decidedBy === 'unmatched' ? t('unmatched') : decidedBy })
    }</${Badge}>
  </dd>`
