/**
 * recipient-page - the frame of every page for recipients: HTML without scripts, and its content security policy
 *
 * Whatever an account or a stranger wrote is escaped, and isolated from the direction of our text. A page loads nothing but the account's logo.
 * It needs no cookie, and sends no referrer, because its URL is a secret of the recipient.
 *
 * CSP Level 3 §6.7.2 (hashes), WCAG 2.2 (contrast, labels, focus). See also: http/tracking/page-texts, http/tracking/unsubscribe-page.
 */
import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import type { PageTexts } from './page-texts.ts'

/** The look that an account chose; '' : none. */
type PageLook = { readonly colour: string; readonly logo: string }

/** `status` is that of the response. `body` is HTML of ours, with escaped values. */
export type RecipientPage = {
  readonly status: number
  readonly texts: PageTexts
  readonly title: string
  readonly body: string
  readonly look?: PageLook
}

/** A dark blue: its contrast with white is above 7 to 1. */
const OUR_COLOUR = '#14507a'
const OUR_LOOK: PageLook = { colour: '', logo: '' }

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Text as HTML, in an attribute or outside of tags. */
export const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? '')

/** The colour of an account, or ours. Checked again, because it becomes part of a style sheet. */
const colourOf = ({ colour }: PageLook): string => (/^#[0-9a-fA-F]{6}$/.test(colour) ? colour : OUR_COLOUR)

/** Black or white, whichever contrasts more (WCAG 2.2, relative luminance). */
function inkOn(colour: string): string {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return channel <= 0.040_45 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? '#000' : '#fff'
}

/** Light or dark, as the reader's device is set. A logo keeps a light ground, because it was drawn for one. */
function styleOf(look: PageLook): string {
  const colour = colourOf(look)
  return (
    ':root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--faint:#555;--line:#767676}' +
    '@media(prefers-color-scheme:dark){:root{--ink:#f2f2f2;--paper:#16181a;--faint:#bbb;--line:#8c8c8c}img{background:#fff;padding:.5em;border-radius:4px}}' +
    'body{font:1.125rem/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:34em;margin:3em auto;padding:0 1em;overflow-wrap:anywhere}' +
    `header{border-block-end:4px solid ${colour};padding-block-end:1em}img{max-width:100%;max-height:4em}h1{font-size:1.6em;line-height:1.25}` +
    'dl{display:grid;grid-template-columns:max-content 1fr;gap:.25em 1em}dt{color:var(--faint)}dd{margin:0;font-weight:600}' +
    'fieldset{border:1px solid var(--line);border-radius:4px;padding:.5em 1em 1em}label{display:block;padding:.35em 0}' +
    `button{font:inherit;padding:.6em 1.4em;margin-block-start:1em;border:1px solid var(--ink);border-radius:4px;cursor:pointer;color:${inkOn(colour)};background:${colour}}` +
    ':focus-visible{outline:3px solid var(--ink);outline-offset:2px}'
  )
}

/** The origin of a logo, for the policy; null without one that can be loaded. */
function logoOriginOf({ logo }: PageLook): string | null {
  const url = URL.canParse(logo) ? new URL(logo) : null
  return url?.protocol === 'https:' ? url.origin : null
}

/** Allows the page's own style by its hash, the origin of its logo, and its form. */
function policyOf(style: string, logoOrigin: string | null): string {
  const hash = createHash('sha256').update(style).digest('base64')
  const images = logoOrigin === null ? '' : ` img-src ${logoOrigin};`
  return `default-src 'none'; style-src 'sha256-${hash}';${images} form-action 'self'; frame-ancestors 'none'; base-uri 'none'`
}

/** Sends a page. HEAD gets its header. */
export function sendPage(reply: FastifyReply, { status, texts, title, body, look = OUR_LOOK }: RecipientPage): FastifyReply {
  if (status === 503) void reply.header('retry-after', '60')
  const style = styleOf(look)
  const logoOrigin = logoOriginOf(look)
  const logo = logoOrigin === null ? '' : `<header><img src="${escapeHtml(look.logo)}" alt=""></header>`
  const html =
    `<!doctype html><html lang="${texts.language}" dir="${texts.direction}"><head><meta charset="utf-8">` +
    `<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex"><title>${escapeHtml(title)}</title>` +
    `<style>${style}</style></head><body>${logo}<main><h1>${escapeHtml(title)}</h1>${body}</main></body></html>`
  return reply
    .code(status)
    .headers({
      'content-security-policy': policyOf(style, logoOrigin),
      'content-language': texts.language,
      vary: 'accept-language',
      'x-robots-tag': 'noindex, nofollow',
    })
    .type('text/html; charset=utf-8')
    .send(html)
}

/** A link that was changed or cut, or whose mail nobody knows any more. Says nothing else about it. */
export const brokenLinkPage = (status: number, texts: PageTexts): RecipientPage => ({
  status,
  texts,
  title: texts.broken,
  body: `<p>${escapeHtml(texts.brokenText)}</p>`,
})

/** The store does not answer; the same link works later. */
export const busyPage = (texts: PageTexts): RecipientPage => ({ status: 503, texts, title: texts.busy, body: '' })
