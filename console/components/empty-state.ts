/**
 * empty-state - what a list says when it has nothing to show: why, and what to do
 */
import { html, type Child, type View } from './html.ts'

type EmptyStateProps = { readonly title: Child; readonly children?: Child }

export const EmptyState = ({ title, children = null }: EmptyStateProps): View =>
  html`<div class="empty"><strong>${title}</strong>${children}</div>`
