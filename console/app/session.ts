/**
 * session - who is signed in to this page, and what that person may do
 *
 * See also: api/client, pages/sign-in.
 */
import { computed, signal } from '@preact/signals'
import { api, csrfToken, hasSessionEnded, renewals } from '../api/client.ts'

export type Right = 'read' | 'operate' | 'administer'

type SessionView = {
  readonly signedIn: boolean
  readonly kind: 'user' | 'account' | null
  readonly name: string | null
  readonly role: 'viewer' | 'operator' | 'admin' | null
  readonly permissions: readonly Right[]
  readonly csrfToken: string | null
  readonly idleEndsAt: string | null
  readonly endsAt: string | null
  readonly hasUsers: boolean
}

/** Null until the daemon has answered. */
export const session = signal<SessionView | null>(null)

export const isSignedIn = computed(() => session.value?.signedIn === true && !hasSessionEnded.value)

/** Whether the reader is the operator, who sees all accounts. */
export const isOperator = computed(() => session.value?.kind === 'user')

/** Whether the reader may do something; an account may do everything in its own data but administer. */
export function may(permission: Right): boolean {
  const { value } = session
  return value?.kind === 'account' ? permission !== 'administer' : (value?.permissions.includes(permission) ?? false)
}

function accept(view: SessionView): void {
  csrfToken.value = view.csrfToken ?? ''
  session.value = view
  if (hasSessionEnded.value && view.signedIn) renewals.value++
  hasSessionEnded.value = false
}

/** Asks who is signed in. Throws ApiProblem. */
export const loadSession = async (): Promise<void> => accept(await api.get<SessionView>('/session'))

type Credentials = { readonly name: string; readonly password: string } | { readonly apiUser: string; readonly apiKey: string }

/**
 * Throws ApiProblem: 401 if the name or the secret is wrong. Somebody else than before begins with the first page: what the page shows is not
 * for everybody.
 */
export async function signIn(credentials: Credentials): Promise<void> {
  const before = session.value
  csrfToken.value = ''
  const view = await api.post<SessionView>('/session', { body: credentials })
  if (before?.signedIn === true && (before.kind !== view.kind || before.name !== view.name)) location.assign('/console/')
  else accept(view)
}

/** Ends the session here, or in every browser. Throws ApiProblem. */
export async function signOut({ everywhere = false }: { readonly everywhere?: boolean } = {}): Promise<void> {
  await api.delete('/session', { query: { everywhere: everywhere || null } })
  csrfToken.value = ''
  await loadSession()
}
