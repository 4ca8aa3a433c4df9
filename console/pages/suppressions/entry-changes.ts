/**
 * entry-changes - who changed the entries of an address, when, and why
 *
 * See also: http/api/suppressions/suppression-entry.
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { chosenAccount } from '../../app/router.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { formatMoment, Moment } from '../../components/moment.ts'
import { ProblemNote } from '../../components/note.ts'
import { verdictWord } from '../../texts/verdict-texts.ts'
import type { ListKey } from './entry.ts'
import { suppressionsTexts as t } from './suppressions-texts.ts'

type Change = {
  readonly at: string
  readonly action: string
  readonly scope: string
  readonly actor: string | null
  readonly note: string | null
  readonly reason: string
  readonly until: string | null
}

type ListChange = Change & { readonly list: ListKey }

async function readChanges(address: string, lists: readonly ListKey[], signal: AbortSignal): Promise<readonly ListChange[]> {
  const query = { account: chosenAccount.value }
  const found = await Promise.all(
    lists.map(async (list) => {
      const path = `/suppressions/${list}/${encodeURIComponent(address)}`
      const { changes } = await api.get<{ readonly changes: readonly Change[] }>(path, { query, signal })
      return changes.map((change) => ({ ...change, list }))
    }),
  )
  return found.flat().toSorted((a, b) => (a.at < b.at ? 1 : -1))
}

type EntryChangesProps = { readonly address: string; readonly lists: readonly ListKey[]; readonly readAt: number | null }

/** `readAt`: when the entries were read; a later time reads the changes again. */
export function EntryChanges({ address, lists, readAt }: EntryChangesProps): View {
  const { value, problem, refresh } = useResource((signal) => readChanges(address, lists, signal), [address, lists, readAt])
  if (value === null) return html`<${ProblemNote} problem=${problem} onRetry=${refresh} />`
  if (value.length === 0) return null
  return html`<details class="small" open>
    <summary class="muted">${t('changes')}</summary>
    <ul class="plain">
      ${value.map((change) => html`<li key=${`${change.at} ${change.list} ${change.scope}`}><${ChangeLine} change=${change} /></li>`)}
    </ul>
  </details>`
}

function ChangeLine({ change }: { readonly change: ListChange }): View {
  const { at, list, action, scope, actor, note, reason, until } = change
  const end = until === null ? null : `${t('until')} ${formatMoment(until)}`
  const words = [verdictWord(list), verdictWord(`change-${action}`), scope, verdictWord(reason), end]
  const said = note === null || note === reason ? null : `${t('note')}: ${note}`
  const texts = [...words, actor === null ? null : t('by', { actor }), said].filter((each) => each !== null && each !== '')
  return html`<${Moment} at=${at} style="second" /> <${ForeignText} text=${texts.join(' · ')} />`
}
