/**
 * file-versions - the earlier versions of a rule file, to look at and to save again
 *
 * See also: http/api/rules/rule-files.
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { ProblemNote } from '../../components/note.ts'
import { useAction } from '../../components/dialog.ts'
import { rulesTexts as t } from './rules-texts.ts'

type FileVersion = { readonly version: string; readonly replacedAt: string }

type FileVersionsProps = { readonly file: string; readonly version: string | null; readonly onShow: (text: string) => void }

export function FileVersions({ file, version, onShow }: FileVersionsProps): View | null {
  const path = `/rules/files/${encodeURIComponent(file)}/versions`
  const list = useResource((signal) => api.get<{ readonly versions: readonly FileVersion[] }>(path, { signal }), [file, version])
  const versions = list.value?.versions ?? []
  if (versions.length === 0) return null
  return html`<section class="card">
    <header><h2>${t('versions')}</h2></header>
    <ul class="rows">
      ${versions.map((each) => html`<${Version} key=${each.version} path=${path} version=${each} onShow=${onShow} />`)}
    </ul>
  </section>`
}

type VersionProps = { readonly path: string; readonly version: FileVersion; readonly onShow: (text: string) => void }

function Version({ path, version: { version, replacedAt }, onShow }: VersionProps): View {
  const show = useAction(async () => onShow((await api.get<{ readonly text: string }>(`${path}/${version}`)).text))
  return html`<li>
    <code>${version}</code> ${t('replaced')} <${Moment} at=${replacedAt} style="second" />
    <button type="button" class="button small" disabled=${show.isBusy} onClick=${show.run}>${t('restore')}</button>
    <${ProblemNote} problem=${show.problem} />
  </li>`
}
