/**
 * rules-page - the workbench for rules: try a reply, the order of the rules, what no rule knows, the files of the operator
 *
 * See also: docs/RULES.md, http/api/rules.
 */
import { pathTo, queryValue } from '../../app/router.ts'
import { may } from '../../app/session.ts'
import { html, type View } from '../../components/html.ts'
import { PageHead } from '../../components/page-head.ts'
import { QuerySegments } from '../../components/segments.ts'
import { ExplainView } from './explain-view.ts'
import { OtherReplies } from './other-replies.ts'
import { RuleFiles } from './rule-files.ts'
import { RuleOrder } from './rule-order.ts'
import { rulesTexts as t } from './rules-texts.ts'

const VIEWS = { explain: ExplainView, order: RuleOrder, other: OtherReplies, files: RuleFiles } as const
const NAMES = ['explain', 'order', 'other', 'files'] as const

export function RulesPage(): View {
  // A link to one rule leads to it in the order.
  const chosen = queryValue('view', queryValue('rule') === '' ? 'explain' : 'order')
  const name = NAMES.find((each) => each === chosen) ?? 'explain'
  const options = NAMES.map((value) => ({ value, text: t(value) }))
  return html`<${PageHead} title=${t('title')} lead=${t('lead')}>
      <a class="button" href=${pathTo('/rules/reclassifications')}>${t('history')}</a>
      ${may('operate') ? html`<a class="button main" href=${pathTo('/rules/draft')}>${t('newRule')}</a>` : null}
    </${PageHead}>
    <${QuerySegments} label=${t('views')} name="view" options=${options} />
    <${VIEWS[name]} />`
}
