/**
 * dialog - a modal window, and the question before a change that cannot be undone by a click
 *
 * The browser's own `dialog`: it keeps the focus inside and closes with Escape. The focus goes back to where it was, or to the title of the page if
 * that is gone; the browser does so only for a dialog that is closed before it is removed.
 */
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import type { ApiProblem } from '../api/client.ts'
import { toProblem } from '../api/resource.ts'
import { common } from '../texts/common-texts.ts'
import { html, type Child, type View } from './html.ts'
import { ProblemNote } from './note.ts'

type DialogProps = { readonly title: Child; readonly onClose: () => void; readonly isWide?: boolean; readonly children?: Child }

/** Open while it is shown. */
export function Dialog({ title, onClose, isWide = false, children }: DialogProps): View {
  const element = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const opener = document.activeElement
    if (element.current?.open === false) element.current.showModal()
    return () => giveFocusBack(opener)
  }, [])
  const onCancel = (event: Event): void => {
    event.preventDefault()
    onClose()
  }
  return html`<dialog ref=${element} class=${isWide ? 'wide' : ''} aria-labelledby=${id} onCancel=${onCancel}>
    <div class="inside">
      <h2 id=${id}>${title}</h2>
      ${children}
    </div>
  </dialog>`
}

function giveFocusBack(opener: Element | null): void {
  const isThere = opener instanceof HTMLElement && opener.isConnected && opener !== document.body
  const target = isThere ? opener : document.querySelector<HTMLElement>('main h1')
  target?.focus({ preventScroll: true })
}

type ConfirmProps = {
  readonly title: Child
  /** What the button says: the verb, never "OK". */
  readonly action: string
  readonly isDanger?: boolean
  readonly onConfirm: () => Promise<unknown>
  readonly onClose: () => void
  readonly children?: Child
}

/** Asks, and does it; stays open with the problem if it fails. */
export function ConfirmDialog({ title, action, isDanger = false, onConfirm, onClose, children }: ConfirmProps): View {
  const { run, isBusy, problem } = useAction(async () => {
    await onConfirm()
    onClose()
  })
  return html`<${Dialog} title=${title} onClose=${onClose}>
    ${children}
    <${ProblemNote} problem=${problem} />
    <div class="buttons">
      <button type="button" class="button" onClick=${onClose}>${common('cancel')}</button>
      <button type="button" class=${`button main ${isDanger ? 'danger' : ''}`} disabled=${isBusy} onClick=${run}>${action}</button>
    </div>
  </${Dialog}>`
}

type Action = { readonly run: () => void; readonly isBusy: boolean; readonly problem: ApiProblem | null }

/** A change that a button starts: one at a time, with its problem. */
export function useAction(work: () => Promise<unknown>): Action {
  const [state, setState] = useState<{ readonly isBusy: boolean; readonly problem: ApiProblem | null }>({ isBusy: false, problem: null })
  const run = (): void => {
    if (state.isBusy) return
    setState({ isBusy: true, problem: null })
    work()
      .then(() => setState({ isBusy: false, problem: null }))
      .catch((error: unknown) => setState({ isBusy: false, problem: toProblem(error) }))
  }
  return { run, ...state }
}
