/**
 * label-names - the names of the labels that lanes give by their number
 *
 * A lane of another account than the shown one has a label of that account. A name that is not known yet, or no longer, is shown as its number.
 */
import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { api } from '../../api/client.ts'
import { chosenAccount } from '../../app/router.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'

const names = signal<Readonly<Record<string, string>>>({})
const asked = new Set<string>()

/** `account` null: that of the page. */
const ownerOf = (account: string | null): string => account ?? chosenAccount.value
const keyOf = (account: string | null, label: number): string => `${ownerOf(account)}/${label}`

function ask(account: string | null, label: number): void {
  const key = keyOf(account, label)
  if (asked.has(key)) return
  asked.add(key)
  api
    .get<{ readonly name: string }>(`/account/labels/${label}`, { query: { account: ownerOf(account) } })
    .then(({ name }) => (names.value = { ...names.value, [key]: name }))
    // Asked again when the page is opened again.
    .catch(() => asked.delete(key))
}

export const labelName = (account: string | null, label: number): string => names.value[keyOf(account, label)] ?? `#${label}`

export function LabelName({ account, label }: { readonly account: string | null; readonly label: number }): View {
  useEffect(() => ask(account, label), [account, label])
  return html`<strong><${ForeignText} text=${labelName(account, label)} /></strong>`
}
