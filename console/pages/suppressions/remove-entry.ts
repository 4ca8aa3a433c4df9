/**
 * remove-entry - takes one address or domain off a list, with a note that its history keeps
 */
import { api } from '../../api/client.ts'
import { chosenAccount } from '../../app/router.ts'
import { Dialog } from '../../components/dialog.ts'
import { Form, TextField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { notify } from '../../components/note.ts'
import { verdictTexts } from '../../texts/verdict-texts.ts'
import { subjectOf, type Entry } from './entry.ts'
import { suppressionsTexts as t } from './suppressions-texts.ts'

/** An entry for one API user or label ends alone. Throws ApiProblem. */
async function removeEntry({ list, scope, isDomain }: Entry, subject: string, note: string): Promise<void> {
  const account = chosenAccount.value
  if (scope !== '') return api.delete(`/suppressions/${list}/${encodeURIComponent(subject)}`, { query: { account, scope, note } })
  const selection = isDomain ? { domains: [subject] } : { addresses: [subject] }
  await api.post(`/suppressions/${list}/remove`, { query: { account }, body: { ...selection, ...(note === '' ? {} : { note }) } })
}

export function RemoveEntry({ entry, onClose }: { readonly entry: Entry; readonly onClose: () => void }): View {
  const subject = subjectOf(entry) ?? ''
  const form = useForm({ note: '' }, async ({ note }) => {
    await removeEntry(entry, subject, note.trim())
    notify(t('removedNotice', { address: subject }))
    onClose()
  })
  return html`<${Dialog} title=${t('removeTitle', { address: subject })} onClose=${onClose}>
    <${Form} form=${form} action=${t(entry.list === 'bounce' ? 'reactivate' : 'remove')} onCancel=${onClose}>
      <p>${t('removeText', { list: verdictTexts(entry.list) })}</p>
      <${TextField} form=${form} name="note" label=${t('note')} hint=${t('removeNoteHint')} />
    </${Form}>
  </${Dialog}>`
}
