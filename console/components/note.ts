/**
 * note - what the page has to say: a problem of a request, a hint, and notices that pass
 *
 * See also: api/client (ApiProblem).
 */
import { signal } from '@preact/signals'
import type { ApiProblem } from '../api/client.ts'
import { common } from '../texts/common-texts.ts'
import { html, type Child, type View } from './html.ts'

type Tone = 'good' | 'warn' | 'bad' | 'plain'

export const Note = ({ tone = 'plain', children }: { readonly tone?: Tone; readonly children?: Child }): View =>
  html`<div class=${`note ${tone}`}>${children}</div>`

/** A problem in the reader's language where it has a text, otherwise in the daemon's words. */
function problemText({ status, code, message }: ApiProblem): string {
  if (status === 0 && code === 'unreachable') return common('unreachable')
  if (status === 429) return common('rateLimited')
  if (status === 404 && message === '') return common('notFound')
  if (status === 403 && message === '') return common('forbidden')
  return message
}

type ProblemProps = { readonly problem: ApiProblem | null; readonly onRetry?: () => void }

/** A request that failed, with what to do. Null shows nothing. */
export function ProblemNote({ problem, onRetry }: ProblemProps): View {
  if (problem === null || problem.status === 401) return null
  const { instance, status } = problem
  // The text of a problem is often its first field once more.
  const fields = problem.fields.filter(({ path, message }) => problem.message !== `${path}: ${message}`)
  return html`<div class="note bad" role="alert">
    <span>${problemText(problem)}</span>
    ${fields.map(({ path, message }) => html`<span class="small"><code>${path}</code> ${message}</span>`)}
    ${status >= 500 && instance !== null ? html`<span class="small muted">${common('logId', { id: instance })}</span>` : null}
    ${onRetry === undefined ? null : html`<span><button class="button small" type="button" onClick=${onRetry}>${common('retry')}</button></span>`}
  </div>`
}

type Notice = { readonly id: number; readonly text: string; readonly tone: Tone }

const notices = signal<readonly Notice[]>([])
const NOTICE_MS = 6_000
let lastNotice = 0

/** Shows a text for some seconds, and tells it to screen readers. */
export function notify(text: string, tone: Tone = 'good'): void {
  const id = ++lastNotice
  notices.value = [...notices.value, { id, text, tone }]
  setTimeout(() => (notices.value = notices.value.filter((each) => each.id !== id)), NOTICE_MS)
}

/** Where notices appear; once in the application. */
export const Notices = (): View =>
  html`<div class="notices" role="status">
    ${notices.value.map(({ id, text, tone }) => html`<div key=${id} class=${`note ${tone}`}>${text}</div>`)}
  </div>`
