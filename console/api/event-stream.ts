/**
 * event-stream - the live events of the daemon, over one connection for all that listen
 *
 *     useEvents(['failed', 'complaint'], () => refresh())
 *
 * Reads server-sent events by `fetch`, which can carry the headers of a page. A broken connection is opened again after the last event, with
 * pauses that grow; events of the last seconds may come twice. A page in the background keeps the connection.
 *
 * WHATWG HTML, Server-sent events. See also: api/client.
 */
import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { chosenAccount } from '../app/router.ts'
import { ApiProblem, fetchApi, renewals } from './client.ts'

type LiveEvent = {
  readonly id: string
  readonly kind: string
  readonly at: string
  readonly emailId: string | null
  readonly recipient: string | null
  readonly reason: string | null
  readonly status: number | null
}

type Listener = { readonly kinds: ReadonlySet<string> | null; readonly onEvent: (event: LiveEvent) => void }

/** `off`: nobody listens. `live`: events come. `waiting`: the connection is opened again soon. */
export const streamState = signal<'off' | 'live' | 'waiting'>('off')

const listeners = new Set<Listener>()
let connection: AbortController | null = null
let lastId: string | null = null

const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [1_000, 30_000]

/** Calls `onEvent` for every event of these kinds while the component is shown; null: of all kinds. */
export function useEvents(kinds: readonly string[] | null, onEvent: (event: LiveEvent) => void): void {
  const current = useRef(onEvent)
  current.current = onEvent
  const account = chosenAccount.value
  const renewal = renewals.value
  useEffect(() => {
    const listener: Listener = { kinds: kinds === null ? null : new Set(kinds), onEvent: (event) => current.current(event) }
    listeners.add(listener)
    connection ??= open(account)
    return () => {
      listeners.delete(listener)
      // The next page may listen too; a connection is not closed and opened for a click.
      setTimeout(closeIfUnused, 1_000)
    }
  }, [kinds?.join(','), account, renewal])
  useEffect(() => () => restart(), [account, renewal])
}

function closeIfUnused(): void {
  if (listeners.size === 0) restart()
}

function restart(): void {
  connection?.abort()
  connection = null
  lastId = null
  streamState.value = 'off'
}

function open(account: string): AbortController {
  const controller = new AbortController()
  void follow(account, controller.signal)
  return controller
}

async function follow(account: string, signal: AbortSignal): Promise<void> {
  let pause = FIRST_PAUSE_MS
  while (!signal.aborted) {
    try {
      const headers = { accept: 'text/event-stream', ...(lastId === null ? {} : { 'last-event-id': lastId }) }
      const response = await fetchApi('GET', '/events', { query: { account }, headers, signal })
      streamState.value = 'live'
      pause = FIRST_PAUSE_MS
      if (response.body !== null) await readEvents(response.body, signal)
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof ApiProblem && (error.status === 401 || error.status === 403)) return void (streamState.value = 'waiting')
    }
    streamState.value = 'waiting'
    await new Promise((resolve) => setTimeout(resolve, pause))
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
  }
}

async function readEvents(body: ReadableStream<Uint8Array<ArrayBuffer>>, signal: AbortSignal): Promise<void> {
  let text = ''
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  for (;;) {
    const { value, done } = await reader.read()
    if (done || signal.aborted) return
    const { blocks, rest } = splitBlocks(text + value)
    text = rest
    for (const block of blocks) deliver(block)
  }
}

/** Whole blocks, which an empty line ends, and the beginning of the next. Pure. */
function splitBlocks(text: string): { readonly blocks: readonly string[]; readonly rest: string } {
  const parts = text.split(/\r?\n\r?\n/)
  return { blocks: parts.slice(0, -1), rest: parts.at(-1) ?? '' }
}

function deliver(block: string): void {
  const data = block
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).replace(/^ /, ''))
    .join('\n')
  if (data === '') return
  const event: LiveEvent = JSON.parse(data)
  lastId = event.id
  for (const { kinds, onEvent } of listeners) if (kinds === null || kinds.has(event.kind)) onEvent(event)
}
