/**
 * raw-report - a report about a message as its tree of parts or as its source, and as a download
 *
 * See also: pages/messages/parts-view.
 */
import { api, apiUrl } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { chosenAccount } from '../../app/router.ts'
import { html, type View } from '../../components/html.ts'
import { ProblemNote } from '../../components/note.ts'
import { common } from '../../texts/common-texts.ts'
import { PartsView, type RawMail } from './parts-view.ts'

export function RawReport({ emailId, digest }: { readonly emailId: string; readonly digest: string }): View {
  const account = chosenAccount.value
  const path = `/messages/${encodeURIComponent(emailId)}/reports/${digest}`
  const { value, problem, refresh } = useResource((signal) => api.get<RawMail>(path, { query: { account }, signal }), [path, account])
  if (value === null)
    return problem === null
      ? html`<p class="muted">${common('loading')}</p>`
      : html`<${ProblemNote} problem=${problem} onRetry=${refresh} />`
  return html`<${PartsView} mail=${value} download=${apiUrl(`${path}/raw`, { account })} />`
}
