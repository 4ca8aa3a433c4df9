/**
 * navigation - the pages of the console: their URLs, who sees them, and how they are loaded
 *
 * A page is a component without required props but `params`, the values of its pattern. It is loaded when it is shown. A page whose `scope` is
 * `account` is shown for one account: the application chooses one if the URL names none.
 *
 * See also: app/application, console/README.md.
 */
import type { FunctionComponent } from 'preact'
import type { IconName } from '../components/icon.ts'
import type { PageProps } from './page-props.ts'
import { isOperator, may, type Right } from './session.ts'

export type PageEntry = {
  /** A pattern: `/messages/:id`. */
  readonly path: string
  readonly load: () => Promise<FunctionComponent<PageProps>>
  /** The entry in the side bar under which the page stands, which is also its text and icon; null: it has none. */
  readonly entry: (IconName & Section) | null
  readonly needs: Right
  /** `all`: one account or all. `account`: one. `operator`: the same for every account, and hidden from accounts. `own`: of the reader. */
  readonly scope: 'all' | 'account' | 'operator' | 'own'
}

const SECTIONS = {
  watch: ['overview', 'messages', 'queue', 'alerts'],
  work: ['suppressions', 'inbox', 'rules', 'webhooks', 'exports'],
  manage: ['accounts', 'reporters', 'users', 'settings'],
} as const satisfies Readonly<Record<string, readonly IconName[]>>

type Section = (typeof SECTIONS)[keyof typeof SECTIONS][number]

export const PAGES: readonly PageEntry[] = [
  {
    path: '/',
    load: async () => (await import('../pages/overview/overview-page.ts')).OverviewPage,
    entry: 'overview',
    needs: 'read',
    scope: 'all',
  },
  {
    path: '/messages',
    load: async () => (await import('../pages/messages/messages-page.ts')).MessagesPage,
    entry: 'messages',
    needs: 'read',
    scope: 'account',
  },
  {
    path: '/messages/:id',
    load: async () => (await import('../pages/messages/message-page.ts')).MessagePage,
    entry: 'messages',
    needs: 'read',
    scope: 'account',
  },
  {
    path: '/queue',
    load: async () => (await import('../pages/queue/queue-page.ts')).QueuePage,
    entry: 'queue',
    needs: 'read',
    scope: 'all',
  },
  {
    path: '/alerts',
    load: async () => (await import('../pages/alerts/alerts-page.ts')).AlertsPage,
    entry: 'alerts',
    needs: 'read',
    scope: 'all',
  },
  {
    path: '/suppressions',
    load: async () => (await import('../pages/suppressions/suppressions-page.ts')).SuppressionsPage,
    entry: 'suppressions',
    needs: 'read',
    scope: 'account',
  },
  {
    path: '/inbox',
    load: async () => (await import('../pages/inbox/inbox-page.ts')).InboxPage,
    entry: 'inbox',
    needs: 'read',
    scope: 'all',
  },
  {
    path: '/inbox/:id',
    load: async () => (await import('../pages/inbox/inbox-item-page.ts')).InboxItemPage,
    entry: 'inbox',
    needs: 'read',
    scope: 'all',
  },
  {
    path: '/rules',
    load: async () => (await import('../pages/rules/rules-page.ts')).RulesPage,
    entry: 'rules',
    needs: 'read',
    scope: 'operator',
  },
  {
    path: '/rules/draft',
    load: async () => (await import('../pages/rules/draft-page.ts')).DraftPage,
    entry: 'rules',
    needs: 'read',
    scope: 'operator',
  },
  {
    path: '/rules/reclassifications',
    load: async () => (await import('../pages/reclassify/reclassifications-page.ts')).ReclassificationsPage,
    entry: 'rules',
    needs: 'read',
    scope: 'operator',
  },
  {
    path: '/rules/reclassifications/:id',
    load: async () => (await import('../pages/reclassify/reclassification-page.ts')).ReclassificationDetailPage,
    entry: 'rules',
    needs: 'read',
    scope: 'operator',
  },
  {
    path: '/exports',
    load: async () => (await import('../pages/exports/exports-page.ts')).ExportsPage,
    entry: 'exports',
    needs: 'read',
    scope: 'account',
  },
  {
    path: '/webhooks',
    load: async () => (await import('../pages/webhooks/webhooks-page.ts')).WebhooksPage,
    entry: 'webhooks',
    needs: 'read',
    scope: 'account',
  },
  {
    path: '/webhooks/:id',
    load: async () => (await import('../pages/webhooks/endpoint-page.ts')).EndpointPage,
    entry: 'webhooks',
    needs: 'read',
    scope: 'account',
  },
  {
    path: '/accounts',
    load: async () => (await import('../pages/accounts/accounts-page.ts')).AccountsPage,
    entry: 'accounts',
    needs: 'read',
    scope: 'operator',
  },
  {
    path: '/accounts/settings',
    load: async () => (await import('../pages/accounts/account-settings-page.ts')).AccountSettingsPage,
    entry: 'accounts',
    needs: 'read',
    scope: 'account',
  },
  {
    path: '/reporters',
    load: async () => (await import('../pages/reporters/reporters-page.ts')).ReportersPage,
    entry: 'reporters',
    needs: 'read',
    scope: 'operator',
  },
  {
    path: '/settings',
    load: async () => (await import('../pages/settings/settings-page.ts')).SettingsPage,
    entry: 'settings',
    needs: 'read',
    scope: 'operator',
  },
  {
    path: '/users',
    load: async () => (await import('../pages/users/users-page.ts')).UsersPage,
    entry: 'users',
    needs: 'administer',
    scope: 'operator',
  },
  {
    path: '/profile',
    load: async () => (await import('../pages/profile/profile-page.ts')).ProfilePage,
    entry: null,
    needs: 'read',
    scope: 'own',
  },
]

/** Whether the reader may see a page. */
export const isVisible = ({ needs, scope }: PageEntry): boolean => may(needs) && (scope !== 'operator' || isOperator.value)

/** The side bar: each group with the entries, each with the first page that the reader may see. */
export function visibleSections(): readonly { readonly title: keyof typeof SECTIONS; readonly entries: readonly PageEntry[] }[] {
  const groups: readonly (keyof typeof SECTIONS)[] = ['watch', 'work', 'manage']
  return groups
    .map((title) => ({
      title,
      entries: SECTIONS[title].flatMap((name) => PAGES.find((page) => page.entry === name && isVisible(page)) ?? []),
    }))
    .filter(({ entries }) => entries.length > 0)
}
