/**
 * pages - the pages of the console as the tests open them
 *
 * One row for each row of console/app/navigation.ts; a test compares the two.
 */

export type TestPage = {
  /** The path; an id that the store has stands in for a parameter (test/console/pages.test.ts). */
  readonly path: string
  /** The roles that see it. `account` is an account that signed in with its API key. */
  readonly seenBy: readonly ('viewer' | 'operator' | 'admin' | 'account')[]
}

const EVERYBODY: TestPage['seenBy'] = ['viewer', 'operator', 'admin', 'account']
const OPERATORS: TestPage['seenBy'] = ['viewer', 'operator', 'admin']

export const TEST_PAGES: readonly TestPage[] = [
  { path: '/', seenBy: EVERYBODY },
  { path: '/messages', seenBy: EVERYBODY },
  { path: '/messages/:id', seenBy: EVERYBODY },
  { path: '/queue', seenBy: EVERYBODY },
  { path: '/alerts', seenBy: EVERYBODY },
  { path: '/suppressions', seenBy: EVERYBODY },
  { path: '/inbox', seenBy: EVERYBODY },
  { path: '/inbox/:id', seenBy: EVERYBODY },
  { path: '/rules', seenBy: OPERATORS },
  { path: '/rules/draft', seenBy: OPERATORS },
  { path: '/rules/reclassifications', seenBy: OPERATORS },
  { path: '/rules/reclassifications/:id', seenBy: OPERATORS },
  { path: '/exports', seenBy: EVERYBODY },
  { path: '/webhooks', seenBy: EVERYBODY },
  { path: '/webhooks/:id', seenBy: EVERYBODY },
  { path: '/accounts', seenBy: OPERATORS },
  { path: '/accounts/settings', seenBy: EVERYBODY },
  { path: '/reporters', seenBy: OPERATORS },
  { path: '/settings', seenBy: OPERATORS },
  { path: '/users', seenBy: ['admin'] },
  { path: '/profile', seenBy: EVERYBODY },
]
