/**
 * add-entries - puts addresses and domains on a list, with a note and an end
 */
import { ApiProblem, api } from '../../api/client.ts'
import { chosenAccount } from '../../app/router.ts'
import { Dialog } from '../../components/dialog.ts'
import { Form, SelectField, TextArea, TextField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { readMoment } from '../../components/moment-input.ts'
import { notify } from '../../components/note.ts'
import { verdictTexts } from '../../texts/verdict-texts.ts'
import { LISTS, type ListKey } from './entry.ts'
import { suppressionsTexts as t } from './suppressions-texts.ts'

export function AddEntries({ list, onClose }: { readonly list: ListKey; readonly onClose: () => void }): View {
  const initial = { list: list === 'complaint' ? 'block' : list, items: '', note: '', until: '' }
  const form = useForm(initial, async ({ list: chosen, items, note, until }) => {
    const lines = items
      .split(/[\n,;]+/)
      .map((line) => line.trim())
      .filter((line) => line !== '')
    if (lines.length === 0) throw new ApiProblem('', { status: 400, fields: [{ path: 'items', message: t('noItems') }] })
    const end = readMoment(until)
    const body = {
      addresses: lines.filter((line) => line.includes('@')),
      domains: lines.filter((line) => !line.includes('@')),
      ...(note.trim() === '' ? {} : { note: note.trim() }),
      ...(end === null ? {} : { until: end }),
    }
    const { added } = await api.post<{ readonly added: number }>(`/suppressions/${chosen}/add`, {
      query: { account: chosenAccount.value },
      body,
    })
    notify(t('added', { n: added }))
    onClose()
  })
  return html`<${Dialog} title=${t('addTitle')} onClose=${onClose}>
    <${Form} form=${form} action=${t('add')} onCancel=${onClose}>
      <${SelectField} form=${form} name="list" label=${t('list')} options=${LISTS.map((value) => ({ value, text: verdictTexts(value) }))} />
      <${TextArea} form=${form} name="items" label=${t('items')} hint=${t('itemsHint')} required=${true} />
      <${TextField} form=${form} name="note" label=${t('note')} hint=${t('noteHint')} />
      <${TextField} form=${form} name="until" type="date" label=${t('untilDay')} />
    </${Form}>
  </${Dialog}>`
}
