/**
 * copy-field - a text to take along, with a button that copies it
 *
 * Without the right to the clipboard (plain HTTP from afar), the field is selected instead.
 */
import { useRef, useState } from 'preact/hooks'
import { common } from '../texts/common-texts.ts'
import { html, type View } from './html.ts'

export function CopyField({ label, text }: { readonly label: string; readonly text: string }): View {
  const input = useRef<HTMLInputElement>(null)
  const [isCopied, setCopied] = useState(false)
  const copy = (): void => {
    input.current?.select()
    const written: Promise<void> | undefined = Reflect.has(navigator, 'clipboard') ? navigator.clipboard.writeText(text) : undefined
    void written?.then(() => setCopied(true)).catch(() => undefined)
  }
  return html`<div class="copy-field">
    <input class="mono" ref=${input} aria-label=${label} value=${text} readonly onFocus=${() => input.current?.select()} />
    <button type="button" class="button" onClick=${copy}>${common(isCopied ? 'copied' : 'copy')}</button>
  </div>`
}
