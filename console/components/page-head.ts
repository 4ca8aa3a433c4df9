/**
 * page-head - the title of a page, what it is for, and its actions
 */
import { html, type Child, type View } from './html.ts'

type PageHeadProps = { readonly title: Child; readonly lead?: Child; readonly children?: Child }

/** `children` are the actions, on the right. The application moves the focus to the title when a page opens. */
export const PageHead = ({ title, lead = null, children = null }: PageHeadProps): View =>
  html`<header class="page-head">
    <div class="titles">
      <h1 tabindex="-1">${title}</h1>
      ${lead === null ? null : html`<p>${lead}</p>`}
    </div>
    ${children === null ? null : html`<div class="buttons">${children}</div>`}
  </header>`
