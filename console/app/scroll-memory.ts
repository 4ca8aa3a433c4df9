/**
 * scroll-memory - where the reader was on a page, for the way back to it
 *
 * The browser restores the position at once, when the rows of a list have not been read yet. Here it waits for the page to be long enough, until the
 * reader moves it.
 *
 * See also: app/router (the history), app/application.
 */

/** Longer than any list is read. */
const LONGEST_WAIT_MS = 10_000

let expected = 0
let stopWaiting = (): void => undefined

/** Keeps the position in the present entry of the history. */
export function rememberScroll(): void {
  history.replaceState({ scrolled: Math.round(scrollY) }, '')
  expected = 0
}

/** Takes the position out of the entry of the history that the reader goes back to. */
export function expectScroll(state: unknown): void {
  expected = typeof state === 'object' && state !== null && 'scrolled' in state && typeof state.scrolled === 'number' ? state.scrolled : 0
}

/** Scrolls a page that has just been shown: to where it was, or to its top. */
export function scrollToExpected(): void {
  const top = expected
  expected = 0
  stopWaiting()
  scrollTo(0, top)
  if (top > 0 && scrollY < top - 1) waitForLength(top)
}

function waitForLength(top: number): void {
  const observer = new ResizeObserver(() => {
    scrollTo(0, top)
    if (scrollY >= top - 1) stopWaiting()
  })
  const gestures = ['wheel', 'pointerdown', 'keydown', 'touchstart'] as const
  const timer = setTimeout(() => stopWaiting(), LONGEST_WAIT_MS)
  stopWaiting = () => {
    stopWaiting = () => undefined
    observer.disconnect()
    clearTimeout(timer)
    for (const name of gestures) removeEventListener(name, stop)
  }
  const stop = (): void => stopWaiting()
  for (const name of gestures) addEventListener(name, stop, { passive: true })
  observer.observe(document.body)
}
