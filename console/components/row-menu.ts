/**
 * row-menu - the actions of a row behind one button
 *
 * A popover of the browser: it is above everything, and closes with Escape and with a click elsewhere. Arrow keys move between the items.
 */
import { useId, useRef } from 'preact/hooks'
import { common } from '../texts/common-texts.ts'
import { html, type View } from './html.ts'
import { Icon } from './icon.ts'

type MenuItem = { readonly text: string; readonly run: () => Promise<unknown>; readonly isDanger?: boolean }

type RowMenuProps = {
  /** Names the row. */
  readonly label: string
  readonly items: readonly MenuItem[]
  readonly onProblem: (error: unknown) => void
}

export function RowMenu({ label, items, onProblem }: RowMenuProps): View {
  const id = useId()
  const [list, button] = [useRef<HTMLDivElement>(null), useRef<HTMLButtonElement>(null)]
  const place = (event: ToggleEvent): void => {
    const box = button.current?.getBoundingClientRect()
    if (event.newState !== 'open' || list.current === null || box === undefined) return
    const { style, offsetHeight, offsetWidth } = list.current
    style.top = `${Math.max(8, box.bottom + offsetHeight + 8 > innerHeight ? box.top - offsetHeight - 4 : box.bottom + 4)}px`
    style.left = `${Math.max(8, box.right - offsetWidth)}px`
    list.current.querySelector('button')?.focus()
  }
  const onKey = (event: KeyboardEvent): void => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (move === undefined) return
    event.preventDefault()
    const buttons = [...(list.current?.querySelectorAll('button') ?? [])]
    const at = buttons.findIndex((each) => each === document.activeElement)
    buttons.at((at + move) % buttons.length)?.focus()
  }
  const choose = ({ run }: MenuItem): void => {
    list.current?.hidePopover()
    button.current?.focus()
    run().catch(onProblem)
  }
  return html`<button type="button" class="button small" ref=${button} popovertarget=${id} aria-label=${label}>
      ${common('actions')}<${Icon} name="down" />
    </button>
    <div id=${id} ref=${list} class="row-menu" popover="auto" onToggle=${place} onKeyDown=${onKey}>
      ${items.map((item) => html`<button key=${item.text} type="button" class=${item.isDanger === true ? 'danger' : ''} onClick=${() => choose(item)}>${item.text}</button>`)}
    </div>`
}
