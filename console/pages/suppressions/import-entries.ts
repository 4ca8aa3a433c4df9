/**
 * import-entries - puts the addresses of a CSV file on a list, some hundred in each request; one that is refused ends it and is named
 */
import { useState } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { chosenAccount } from '../../app/router.ts'
import { Dialog, useAction } from '../../components/dialog.ts'
import { html, type View } from '../../components/html.ts'
import { Note, notify, ProblemNote } from '../../components/note.ts'
import { common } from '../../texts/common-texts.ts'
import { verdictTexts } from '../../texts/verdict-texts.ts'
import { readCsvAddresses } from './csv-addresses.ts'
import { LISTS, type ListKey } from './entry.ts'
import { suppressionsTexts as t } from './suppressions-texts.ts'

const PER_REQUEST = 500

export function ImportEntries({ list, onClose }: { readonly list: ListKey; readonly onClose: () => void }): View {
  const [chosen, setChosen] = useState<ListKey>(list)
  const [found, setFound] = useState<ReturnType<typeof readCsvAddresses> | null>(null)
  const [done, setDone] = useState(0)
  const addresses = found?.addresses ?? []
  const { run, isBusy, problem } = useAction(async () => {
    let added = 0
    // What an interrupted import has added stays, and is skipped the next time.
    for (let at = 0; at < addresses.length; at += PER_REQUEST) {
      const body = { addresses: addresses.slice(at, at + PER_REQUEST) }
      added += (
        await api.post<{ readonly added: number }>(`/suppressions/${chosen}/add`, { query: { account: chosenAccount.value }, body })
      ).added
      setDone(Math.min(at + PER_REQUEST, addresses.length))
    }
    notify(t('importDone', { n: added, total: addresses.length }))
    onClose()
  })
  const onFile = (event: Event & { currentTarget: HTMLInputElement }): void => {
    const file = event.currentTarget.files?.[0]
    void file?.text().then((text) => setFound(readCsvAddresses(text)))
  }
  return html`<${Dialog} title=${t('importTitle')} onClose=${onClose}>
    <p class="muted">${t('importLead')}</p>
    <label class="field"><span class="small"><strong>${t('list')}</strong></span>
      <select value=${chosen} onChange=${(event: Event & { currentTarget: HTMLSelectElement }) => setChosen(LISTS.find((each) => each === event.currentTarget.value) ?? list)}>
        ${LISTS.map((each) => html`<option key=${each} value=${each} selected=${each === chosen}>${verdictTexts(each)}</option>`)}
      </select></label>
    <label class="field"><span class="small"><strong>${t('file')}</strong></span><input type="file" accept=".csv,.txt,text/csv" onChange=${onFile} /></label>
    ${found === null ? null : html`<${Note}>${t('importFound', { n: addresses.length, skipped: found.skipped })}</${Note}>`}
    ${isBusy ? html`<p role="status">${t('importProgress', { n: done, total: addresses.length })}</p>` : null}
    <${ProblemNote} problem=${problem} />
    <div class="buttons">
      <button type="button" class="button" onClick=${onClose}>${common('cancel')}</button>
      <button type="button" class="button main" disabled=${isBusy || addresses.length === 0} onClick=${run}>${t('importRun', { n: addresses.length })}</button>
    </div>
  </${Dialog}>`
}
