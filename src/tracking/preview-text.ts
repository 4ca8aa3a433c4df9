/**
 * preview-text - the text that a mail program shows beside the subject in a list of mails
 *
 * Programs take the first words of the body, so the text stands there, hidden from readers of the mail itself.
 *
 * Pure, total. See also: tracking/html-scan, http/sendcloud/mail-send (contentSummary), http/engagelab/mail-send (preview_text).
 */
import { scanHtml } from './html-scan.ts'

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/**
 * Puts a text, not markup, at the start of the body.
 *
 *     insertPreviewText('<body><p>Hi</p>', 'A & B') → '<body><div style="display:none;…">A &amp; B</div><p>Hi</p>'
 */
export function insertPreviewText(html: string, preview: string): string {
  const { bodyStart } = scanHtml(html, null)
  const escaped = preview.replaceAll(/[&<>]/g, (character) => ESCAPES[character] ?? character)
  const hidden = `<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">${escaped}</div>`
  return html.slice(0, bodyStart) + hidden + html.slice(bodyStart)
}
