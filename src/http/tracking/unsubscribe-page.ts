/**
 * unsubscribe-page - the unsubscribe page and what follows it: confirmation, undo
 *
 * The pages work without scripts and with a screen reader: one heading, labelled fields, a legend, buttons that say what they do. They name the
 * sender and the masked address, nothing else of the mail.
 *
 * See also: http/tracking/recipient-page (the frame), http/tracking/page-texts, http/tracking/unsubscribe-form (reads the forms).
 */
import type { LinkSubject } from '../../service/track/unsubscribe-links.ts'
import type { PageTexts } from './page-texts.ts'
import { escapeHtml, type RecipientPage } from './recipient-page.ts'

type UnsubscribePage = { readonly texts: PageTexts; readonly subject: LinkSubject }

const paragraph = (text: string): string => `<p>${escapeHtml(text)}</p>`

/** The sender and the address, as far as they are known. */
function subjectHtml({ texts, subject }: UnsubscribePage): string {
  const rows = [
    [texts.sender, subject.sender],
    [texts.address, subject.address],
  ] as const
  const known = rows.flatMap(([name, value]) =>
    value === null ? [] : [`<dt>${escapeHtml(name)}</dt><dd><bdi>${escapeHtml(value)}</bdi></dd>`],
  )
  return known.length === 0 ? '' : `<dl>${known.join('')}</dl>`
}

function reasonsHtml(texts: PageTexts): string {
  const choices = texts.reasons.map(
    (reason, type) =>
      `<label><input type="radio" name="reason" value="${type}"${type === 0 ? ' checked' : ''}> ${escapeHtml(reason)}</label>`,
  )
  return `<fieldset><legend>${escapeHtml(texts.reason)}</legend>${choices.join('')}</fieldset>`
}

/** A form that posts to the URL of the page. */
const formHtml = (fields: Readonly<Record<string, string>>, content: string, button: string): string =>
  `<form method="post">${Object.entries(fields)
    .map(([name, value]) => `<input type="hidden" name="${name}" value="${escapeHtml(value)}">`)
    .join('')}${content}<button>${escapeHtml(button)}</button></form>`

/** Asks, and changes nothing. */
export function questionPage(page: UnsubscribePage): RecipientPage {
  const { texts, subject } = page
  const form = formHtml({ action: 'unsubscribe' }, reasonsHtml(texts), texts.unsubscribe)
  const body = paragraph(texts.question) + subjectHtml(page) + form
  return { status: 200, texts, title: texts.unsubscribe, body, look: subject.look }
}

/** Confirms. With a permit, it offers to undo. */
export function confirmationPage(page: UnsubscribePage, permit: string | null): RecipientPage {
  const { texts, subject } = page
  const undo = permit === null ? '' : paragraph(texts.undoText) + formHtml({ action: 'undo', permit }, '', texts.undo)
  return { status: 200, texts, title: texts.done, body: paragraph(texts.doneText) + subjectHtml(page) + undo, look: subject.look }
}

/** Says whether the unsubscribe was undone. */
export function undonePage(page: UnsubscribePage, isUndone: boolean): RecipientPage {
  const { texts, subject } = page
  const title = isUndone ? texts.undone : texts.late
  const body = (isUndone ? paragraph(texts.undoneText) : '') + subjectHtml(page)
  return { status: isUndone ? 200 : 409, texts, title, body, look: subject.look }
}
