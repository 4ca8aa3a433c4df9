/**
 * parts-view - a mail as a tree of parts or as source: the choice is in the URL as `view`
 *
 * Nothing of a mail is interpreted: parts are shown as text.
 */
import { queryValue } from '../../app/router.ts'
import { partsTexts as t } from './parts-texts.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { formatBytes } from '../../components/number.ts'
import { Note } from '../../components/note.ts'
import { QuerySegments } from '../../components/segments.ts'

type ReportPart = {
  readonly depth: number
  readonly type: string
  readonly filename: string | null
  readonly encoding: string
  readonly bytes: number
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  readonly text: string | null
}

/** `GET /v1/messages/:emailId/reports/:digest`. */
export type RawMail = {
  readonly size: number
  readonly source: string
  readonly isTruncated: boolean
  readonly parts: readonly ReportPart[]
  readonly defects: readonly string[]
}

/** `download` is the URL of the bytes. */
export const PartsView = ({ mail, download }: { readonly mail: RawMail; readonly download: string }): View =>
  html`<div class="mail-view">
    <div class="buttons">
      <${QuerySegments}
        label=${t('view')}
        name="view"
        options=${[
          { value: 'tree', text: t('tree') },
          { value: 'source', text: t('source') },
        ]}
      />
      <a class="button small" href=${download} download>${t('download')} (${formatBytes(mail.size)})</a>
    </div>
    ${mail.isTruncated ? html`<${Note}>${t('truncated')}</${Note}>` : null}
    ${mail.defects.length === 0 ? null : html`<p class="small muted">${t('defects', { list: mail.defects.join(', ') })}</p>`}
    ${
      queryValue('view', 'tree') === 'source'
        ? html`<pre class="code" tabindex="0"><${ForeignText} text=${mail.source} /></pre>`
        : mail.parts.map((part, at) => html`<${PartView} key=${at} part=${part} />`)
    }
  </div>`

/** Deeper parts stand further in, up to what a phone has room for. */
const MAX_INDENT = 6

const PartView = ({ part: { depth, type, filename, encoding, bytes, headers, text } }: { readonly part: ReportPart }): View =>
  html`<details class="mail-part" open=${depth <= 2} style=${{ marginInlineStart: `${Math.min(depth, MAX_INDENT) * 14}px` }}>
    <summary>
      <strong><${ForeignText} text=${type} /></strong> ${filename === null ? null : html`<${ForeignText} text=${filename} /> `}<span
        class="muted small"
        >${t('bytes', { size: formatBytes(bytes), encoding })}</span
      >
    </summary>
    ${
      headers.length === 0
        ? null
        : html`<dl class="mail-headers">
            ${headers.map(
              ({ name, value }, at) =>
                html`<dt key=${at}><${ForeignText} text=${name} /></dt>
                  <dd><${ForeignText} text=${value} /></dd>`,
            )}
          </dl>`
    }
    ${text === null || text.trim() === '' ? null : html`<pre class="code" tabindex="0"><${ForeignText} text=${text} /></pre>`}
  </details>`
