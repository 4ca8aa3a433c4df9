/**
 * resource - what a page reads from the daemon, kept while it is read again
 *
 *     const users = useResource((signal) => api.get<UserList>('/users', { signal }), [])
 *
 * The last value stays on the page while the next one is read, so that nothing jumps. A page in the background does not ask. A request whose
 * page has gone is aborted. After a session has ended and the reader has signed in again, everything is read again.
 *
 * See also: api/client, api/event-stream.
 */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { ApiProblem, renewals } from './client.ts'

export type Resource<T> = {
  readonly value: T | null
  readonly problem: ApiProblem | null
  readonly isLoading: boolean
  /** When the value was read, epoch ms. */
  readonly readAt: number | null
  readonly refresh: () => void
}

export type ResourceOptions = {
  /** Reads again after so many milliseconds. */
  readonly every?: number
}

type State<T> = Omit<Resource<T>, 'refresh'>

const EMPTY = { value: null, problem: null, isLoading: true, readAt: null }

/** Reads with `load` now, and again whenever one of `inputs` changes. A value of other inputs is not shown. */
export function useResource<T>(
  load: (signal: AbortSignal) => Promise<T>,
  inputs: readonly unknown[],
  options: ResourceOptions = {},
): Resource<T> {
  const { every } = options
  const key = JSON.stringify(inputs)
  const [state, setState] = useState<State<T> & { readonly key: string }>({ ...EMPTY, key })
  const [round, setRound] = useState(0)
  const loader = useRef(load)
  loader.current = load
  useEffect(() => {
    const controller = new AbortController()
    setState((before) => (before.key === key ? { ...before, isLoading: true } : { ...EMPTY, key }))
    loader
      .current(controller.signal)
      .then((value) => setState({ value, problem: null, isLoading: false, readAt: Date.now(), key }))
      .catch((error: unknown) => {
        if (controller.signal.aborted) return
        setState((before) => ({ ...before, problem: toProblem(error), isLoading: false, key }))
      })
    return () => controller.abort()
  }, [key, round, renewals.value])
  const refresh = useCallback(() => setRound((before) => before + 1), [])
  useEffect(() => {
    if (every === undefined) return
    const timer = setInterval(() => {
      if (!document.hidden) refresh()
    }, every)
    return () => clearInterval(timer)
  }, [every, refresh])
  const shown = state.key === key ? state : EMPTY
  return { value: shown.value, problem: shown.problem, isLoading: shown.isLoading, readAt: shown.readAt, refresh }
}

/** Any error as a problem; one of our own code is logged, because nobody else will. */
export function toProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error
  console.error(error)
  return new ApiProblem(error instanceof Error ? error.message : String(error), { code: 'page' })
}
