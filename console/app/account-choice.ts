/**
 * account-choice - the accounts that the operator may look at, and the one that is chosen
 *
 * The choice is in the URL as `account`. A page that needs one account gets the last chosen one, or the first.
 *
 * See also: app/router (chosenAccount), app/navigation (scope).
 */
import { effect, signal, untracked } from '@preact/signals'
import { api } from '../api/client.ts'
import { accountZone } from './preferences.ts'
import { chosenAccount, navigate, withQuery } from './router.ts'
import { isOperator, isSignedIn, session } from './session.ts'

type AccountSummary = {
  readonly account: number
  readonly name: string
  readonly zone: string
  readonly createdAt: string
  readonly closedAt: string | null
}

/** Null until they are read. An account sees itself alone. */
export const accounts = signal<readonly AccountSummary[] | null>(null)

let lastChosen = ''

/** Reads the accounts again, after one has been added or changed. Throws ApiProblem. */
export async function loadAccounts(): Promise<void> {
  accounts.value = (await api.get<{ readonly accounts: readonly AccountSummary[] }>('/accounts')).accounts
}

/** Puts an account into the URL. Returns false if there is none to choose. */
export function chooseSomeAccount(): boolean {
  const known = accounts.value ?? []
  const found = known.find(({ name }) => name === lastChosen) ?? known.find(({ closedAt }) => closedAt === null) ?? known[0]
  if (found === undefined) return false
  navigate(withQuery({ account: found.name }), { replace: true })
  return true
}

/** Follows the session and the choice from now on. */
export function followAccounts(): void {
  effect(() => {
    accounts.value = null
    if (isSignedIn.value) untracked(loadAccounts).catch(() => (accounts.value = []))
  })
  effect(() => {
    if (chosenAccount.value !== '') lastChosen = chosenAccount.value
    const name = isOperator.value ? chosenAccount.value : session.value?.name
    accountZone.value = accounts.value?.find((each) => each.name === name)?.zone ?? null
  })
}
