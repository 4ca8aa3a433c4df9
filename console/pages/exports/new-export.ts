/**
 * new-export - the form of a new export job: what, of which time, and which rows only
 */
import { api, ApiProblem } from '../../api/client.ts'
import { Dialog } from '../../components/dialog.ts'
import { CheckField, Form, SelectField, TextField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { readMoment, toMomentInput } from '../../components/moment-input.ts'
import { common } from '../../texts/common-texts.ts'
import { exportsTexts as t } from './exports-texts.ts'

const LISTS = ['bounce', 'unsubscribe', 'complaint', 'block', 'allow'] as const
const STATUSES = ['1', '4', '5', '18'] as const

/** The filters that the form offers for each kind; docs/EXPORTS.md lists all. `choices`: the values of a selection, of which one is chosen. */
type FilterField = {
  readonly name: 'recipient' | 'status' | 'label' | 'reason' | 'list' | 'site' | 'broadcast'
  readonly required?: boolean
  readonly choices?: readonly string[]
}

const FILTER_FIELDS = {
  status: [{ name: 'recipient' }, { name: 'status', choices: STATUSES }, { name: 'label' }, { name: 'reason' }],
  suppressions: [{ name: 'list', required: true, choices: LISTS }, { name: 'recipient' }, { name: 'site' }],
  results: [{ name: 'broadcast', required: true }, { name: 'recipient' }, { name: 'reason' }],
} as const satisfies Readonly<Record<string, readonly FilterField[]>>

const KINDS = ['status', 'suppressions', 'results'] as const
type Kind = (typeof KINDS)[number]

const FORMATS = ['csv', 'ndjson'].map((value) => ({ value, text: value.toUpperCase() }))
const WEEK_MS = 7 * 86_400_000
const NO_FILTERS = { recipient: '', status: '', label: '', reason: '', list: 'bounce', site: '', broadcast: '' }

export function NewExport({ account, onClose }: { readonly account: string; readonly onClose: () => void }): View {
  const times = { since: toMomentInput(Date.now() - WEEK_MS), until: '' }
  const initial = { kind: 'status', ...times, format: 'csv', gzip: false, bom: false, ...NO_FILTERS }
  const form = useForm(initial, async (values) => {
    const { kind, format, gzip, bom } = values
    const [since, until] = [readMoment(values.since), values.until === '' ? null : readMoment(values.until)]
    if (since === null || (values.until !== '' && until === null)) throw new ApiProblem(t('invalidTime'), { code: 'input' })
    const body = { kind, format, gzip, bom, since, ...(until === null ? {} : { until }), filters: filtersOf(kindOf(kind), values) }
    await api.post('/exports', { query: { account }, body })
    onClose()
  })
  return html`<${Dialog} title=${t('add')} onClose=${onClose}>
    <${Form} form=${form} action=${t('start')} onCancel=${onClose}>
      <${SelectField} form=${form} name="kind" label=${t('kind')} options=${KINDS.map((value) => ({ value, text: t(value) }))} />
      <${TextField} form=${form} name="since" type="datetime-local" label=${t('since')} required=${true} />
      <${TextField} form=${form} name="until" type="datetime-local" label=${t('until')} />
      ${fieldsOf(kindOf(form.values.kind)).map((field) => html`<${FilterInput} key=${field.name} form=${form} field=${field} />`)}
      <${SelectField} form=${form} name="format" label=${t('format')} options=${FORMATS} />
      <${CheckField} form=${form} name="gzip" label=${t('gzip')} />
      <${CheckField} form=${form} name="bom" label=${t('bom')} />
    </${Form}>
  </${Dialog}>`
}

const kindOf = (value: string): Kind => KINDS.find((kind) => kind === value) ?? 'status'

const fieldsOf = (kind: Kind): readonly FilterField[] => FILTER_FIELDS[kind]

type FilterValues = Readonly<Record<FilterField['name'], string>>

/** What the daemon expects: a status is a number, and what is empty is left out. */
function filtersOf(kind: Kind, values: FilterValues): Readonly<Record<string, string | number>> {
  const filled = fieldsOf(kind).filter(({ name }) => values[name] !== '')
  return Object.fromEntries(filled.map(({ name }) => [name, name === 'status' ? Number(values[name]) : values[name]]))
}

function FilterInput({
  form,
  field: { name, choices, required = false },
}: {
  readonly form: ReturnType<typeof useForm>
  readonly field: FilterField
}): View {
  const label = t(`filter_${name}`)
  if (choices === undefined) return html`<${TextField} form=${form} name=${name} label=${label} required=${required} />`
  const options = choices.map((value) => {
    const key = `${name}_${value}`
    return { value, text: t.has(key) ? t(key) : value }
  })
  return html`<${SelectField}
    form=${form}
    name=${name}
    label=${label}
    options=${required ? options : [{ value: '', text: common('all') }, ...options]}
  />`
}
