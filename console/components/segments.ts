/**
 * segments - one choice of a few, all of them visible: buttons that set a value, or links that change the URL
 */
import { withQuery, queryValue } from '../app/router.ts'
import { html, type View } from './html.ts'

type SegmentOption<T extends string> = { readonly value: T; readonly text: string }

type SegmentsProps<T extends string> = {
  readonly legend: string
  readonly options: readonly SegmentOption<T>[]
  readonly value: T
  readonly onChoose: (value: T) => void
}

export const Segments = <T extends string>({ legend, options, value, onChoose }: SegmentsProps<T>): View =>
  html`<fieldset>
    <legend>${legend}</legend>
    <div class="segments">
      ${options.map(
        (option) =>
          html`<button key=${option.value} type="button" aria-pressed=${option.value === value} onClick=${() => onChoose(option.value)}>
            ${option.text}
          </button>`,
      )}
    </div>
  </fieldset>`

type QuerySegmentsProps = {
  readonly label: string
  /** The name in the query. The first option is the default, and leaves the query out. */
  readonly name: string
  readonly options: readonly SegmentOption<string>[]
}

/** A choice that is part of the page's URL. */
export function QuerySegments({ label, name, options }: QuerySegmentsProps): View {
  const fallback = options[0]?.value ?? ''
  const present = queryValue(name, fallback)
  return html`<nav class="segments" aria-label=${label}>
    ${options.map(
      ({ value, text }) =>
        html`<a
          key=${value}
          href=${withQuery({ [name]: value === fallback ? null : value })}
          aria-current=${value === present ? 'true' : undefined}
          >${text}</a
        >`,
    )}
  </nav>`
}
