/**
 * lane-command - sends a command to the queue, and tells what became of it
 *
 * A command is recorded at once, and executed by every delivering node a moment later; the answer says which.
 *
 * See also: http/api/queue-commands, docs/QUEUE.md.
 */
import { api } from '../../api/client.ts'
import { notify } from '../../components/note.ts'
import { queueTexts as t } from './queue-texts.ts'

type Answer = {
  readonly state: string
  readonly order: 'pause' | 'recover' | 'rate' | 'delete' | 'warm-up' | 'recover-key'
  readonly moved: number
  readonly deleted: number
  readonly note: string | null
}

/** Throws ApiProblem. */
export async function sendCommand(path: string, { account, body }: { readonly account: string; readonly body: object }): Promise<void> {
  const answer = await api.post<Answer>(`/queue/${path}`, { query: { account }, body })
  notify([resultText(answer), answer.note ?? ''].join(' ').trim())
}

function resultText({ state, order, moved, deleted }: Answer): string {
  if (state !== 'done') return t('pending', { order: t(`${order}Order`) })
  if (order === 'delete') return t('deleted', { n: deleted })
  // Nothing was closed: the reader pressed the button for something else.
  if (order === 'recover' || order === 'recover-key') return moved === 0 ? t('nothingPaused') : t('recovered', { n: moved })
  return t('done', { order: t(`${order}Order`) })
}
