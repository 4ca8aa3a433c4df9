/**
 * icon - line drawings of 24 × 24, in the colour of the text; never the only sign of anything
 */
import { html, type View } from './html.ts'

const PATHS = {
  overview: 'M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z',
  messages: 'M3 6.5h18v12H3zM3 7l9 6.5L21 7',
  suppressions: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M5.7 5.7l12.6 12.6',
  queue: 'M4 6h16M4 12h11M4 18h7M18 15v6M15 18h6',
  inbox: 'M4 13l3-8h10l3 8v6H4zM4 13h5l1 2.5h4L15 13h5',
  rules: 'M9 5h11M9 12h11M9 19h11M4 5h.01M4 12h.01M4 19h.01',
  webhooks: 'M8 12a4 4 0 1 1 4-4M12 8l4 7M16 15a3.5 3.5 0 1 1-1 5M8 12l-3 5M5 17a3.5 3.5 0 1 0 4 3h6',
  alerts: 'M6 16V10a6 6 0 0 1 12 0v6l2 2H4zM10 21h4',
  exports: 'M12 4v11M8 11l4 4 4-4M4 19h16',
  accounts: 'M4 20V8l8-4 8 4v12M9 20v-6h6v6',
  reporters: 'M4 12a8 8 0 0 1 16 0M7.5 12a4.5 4.5 0 0 1 9 0M12 12v8',
  users: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M3 20c0-4 3-6 6-6s6 2 6 6M16 4.5a3.5 3.5 0 0 1 0 6.5M18 14.5c2 .8 3 2.8 3 5.5',
  settings: 'M4 7h10M18 7h2M4 17h2M10 17h10M16 4.5v5M8 14.5v5',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M5 20c0-4 3-6 7-6s7 2 7 6',
  menu: 'M4 7h16M4 12h16M4 17h16',
  down: 'M7 10l5 5 5-5',
  up: 'M7 14l5-5 5 5',
  refresh: 'M20 12a8 8 0 1 1-2.5-5.8M20 4v4h-4',
} as const

export type IconName = keyof typeof PATHS

export const Icon = ({ name }: { readonly name: IconName }): View =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`
