/**
 * brand - the sign and the name of the product
 */
import { html, type View } from './html.ts'

export const Brand = ({ href }: { readonly href: string }): View =>
  html`<a class="brand" href=${href}>
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="#1f5fbf" />
      <path d="M7 21V9l9 7 9-7v12" fill="none" stroke="#fff" stroke-width="2.6" stroke-linejoin="round" stroke-linecap="round" />
      <path d="M11 25c3 2 7 2 10 0" fill="none" stroke="#9cc4ff" stroke-width="2.6" stroke-linecap="round" />
    </svg>
    bounced
  </a>`
