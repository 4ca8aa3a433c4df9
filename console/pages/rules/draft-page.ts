/**
 * draft-page - a rule file as a draft: from a reply, from a mail of the inbox, or from the folder; checked, tried on the past, saved
 *
 * The URL says what the draft begins with: `file`, `reply` or `inbox`. What was typed stays until the page is left.
 *
 * See also: http/api/rules/rule-files, http/api/rules/rule-workbench, pages/reclassify.
 */
import { useState } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { navigate, pathTo, queryValue } from '../../app/router.ts'
import { may } from '../../app/session.ts'
import { ConfirmDialog, useAction } from '../../components/dialog.ts'
import { html, type View } from '../../components/html.ts'
import { notify, ProblemNote } from '../../components/note.ts'
import { PageHead } from '../../components/page-head.ts'
import { DraftResult, type CheckedDraft } from './draft-result.ts'
import { FileVersions } from './file-versions.ts'
import { rulesTexts as t } from './rules-texts.ts'

/** What a draft begins with; `version` null: a new file. */
type Beginning = { readonly file: string; readonly text: string; readonly version: string | null }

const EMPTY_RULE = `provider = "common"

[[rule]]
id = "own-rule"
reason = "other"
says = ["words of the reply"]
hits = ["550 words of the reply"]
misses = ["550 other words"]
`

/** The name of a new file. A file of this name is not overwritten: the daemon compares the versions. */
const nameOf = (id: string): string => `${id.slice(0, 70)}.toml`

async function readBeginning(signal: AbortSignal): Promise<Beginning> {
  const [file, reply, inboxId] = [queryValue('file'), queryValue('reply'), queryValue('inbox')]
  if (file !== '') return api.get<Beginning>(`/rules/files/${encodeURIComponent(file)}`, { signal })
  if (reply === '' && inboxId === '') return { file: 'own.toml', text: EMPTY_RULE, version: null }
  const body = inboxId === '' ? { reply } : { inboxId }
  const { id, text } = await api.post<{ readonly id: string; readonly text: string }>('/rules/proposal', { body, signal })
  return { file: nameOf(id), text, version: null }
}

export function DraftPage(): View {
  const beginning = useResource(readBeginning, [queryValue('file'), queryValue('reply'), queryValue('inbox')])
  const { value } = beginning
  return html`<nav><a href=${pathTo('/rules', { view: 'files' })}>← ${t('back')}</a></nav>
    <${PageHead} title=${t('draft')} lead=${t('draftLead')} />
    <${ProblemNote} problem=${beginning.problem} onRetry=${beginning.refresh} />
    ${value === null ? null : html`<${Editor} key=${`${value.file} ${value.version ?? ''}`} beginning=${value} onSaved=${beginning.refresh} />`}`
}

type EditorProps = { readonly beginning: Beginning; readonly onSaved: () => void }

function Editor({ beginning, onSaved }: EditorProps): View {
  const [file, setFile] = useState(beginning.file)
  const [text, setText] = useState(beginning.text)
  const [checked, setChecked] = useState<CheckedDraft | null>(null)
  const [isRemoving, setRemoving] = useState(false)
  const isNew = beginning.version === null
  const rules = [{ file, text }]
  const check = useAction(async () => setChecked(await api.post<CheckedDraft>('/rules/check', { body: { rules } })))
  const tryPast = useAction(async () => {
    const { id } = await api.post<{ readonly id: string }>('/reclassifications', { body: { rules } })
    navigate(pathTo(`/rules/reclassifications/${id}`))
  })
  const save = useAction(async () => {
    await api.put(`/rules/files/${encodeURIComponent(file)}`, { body: { text, version: beginning.version } })
    notify(t('saved', { file }))
    if (isNew) navigate(pathTo('/rules/draft', { file }))
    else onSaved()
  })
  const isBusy = check.isBusy || save.isBusy || tryPast.isBusy
  const button = (tone: string, label: string, run: () => void): View =>
    html`<button type="button" class=${`button ${tone}`} disabled=${isBusy} onClick=${run}>${label}</button>`
  return html`<section class="card">
      <${FileField} file=${file} isNew=${isNew} onInput=${setFile} />
      <${TextFieldOfRules} text=${text} onInput=${setText} />
      ${[check, save, tryPast].map(({ problem }, at) => html`<${ProblemNote} key=${at} problem=${problem} />`)}
      <div class="buttons">
        ${isNew || !may('operate') ? null : button('danger', t('remove'), () => setRemoving(true))} ${button('', t('check'), check.run)}
        ${may('operate') ? html`${button('', t('past'), tryPast.run)}${button('main', t('save'), save.run)}` : null}
      </div>
    </section>
    <div aria-live="polite">${checked === null ? null : html`<${DraftResult} checked=${checked} />`}</div>
    ${isNew ? null : html`<${FileVersions} file=${file} version=${beginning.version} onShow=${setText} />`}
    ${isRemoving ? html`<${RemoveDialog} file=${file} version=${beginning.version} onClose=${() => setRemoving(false)} />` : null}`
}

type InputEventOf<Element> = Event & { readonly currentTarget: Element }

const FileField = ({
  file,
  isNew,
  onInput,
}: {
  readonly file: string
  readonly isNew: boolean
  readonly onInput: (file: string) => void
}): View =>
  html`<div class="field">
    <label for="draft-file">${t('file')}</label>
    <input
      id="draft-file"
      value=${file}
      readonly=${!isNew}
      spellcheck=${false}
      autocomplete="off"
      aria-describedby="draft-file-hint"
      onInput=${({ currentTarget }: InputEventOf<HTMLInputElement>) => onInput(currentTarget.value)}
    />
    <span class="hint" id="draft-file-hint">${t('fileHint')}</span>
  </div>`

const TextFieldOfRules = ({ text, onInput }: { readonly text: string; readonly onInput: (text: string) => void }): View =>
  html`<div class="field">
    <label for="draft-text">${t('content')}</label>
    <textarea
      id="draft-text"
      class="mono"
      rows="16"
      value=${text}
      spellcheck=${false}
      wrap="off"
      aria-describedby="draft-text-hint"
      onInput=${({ currentTarget }: InputEventOf<HTMLTextAreaElement>) => onInput(currentTarget.value)}
    ></textarea>
    <span class="hint" id="draft-text-hint">${t('contentHint')}</span>
  </div>`

type RemoveProps = { readonly file: string; readonly version: string | null; readonly onClose: () => void }

function RemoveDialog({ file, version, onClose }: RemoveProps): View {
  const remove = async (): Promise<void> => {
    await api.delete(`/rules/files/${encodeURIComponent(file)}`, { query: { version } })
    notify(t('removed', { file }))
    navigate(pathTo('/rules', { view: 'files' }))
  }
  return html`<${ConfirmDialog} title=${t('removeTitle', { file })} action=${t('remove')} isDanger=${true} onClose=${onClose} onConfirm=${remove}>
    <p>${t('removeText')}</p>
  </${ConfirmDialog}>`
}
