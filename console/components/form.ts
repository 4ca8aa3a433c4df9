/**
 * form - fields with labels, hints and errors, and the state of a form that sends itself
 *
 *     const form = useForm({ name: '', role: 'viewer' }, (values) => api.post('/users', { body: values }))
 *     html`<${Form} form=${form} action=${common('add')}>
 *       <${TextField} form=${form} name="name" label=${t('name')} required=${true} />
 *     </${Form}>`
 *
 * The daemon checks; what it refuses stands at the field that its `errors` name (a JSON pointer: `/name`), the rest above the buttons. What was typed
 * stays.
 */
import { useId, useState } from 'preact/hooks'
import { ApiProblem } from '../api/client.ts'
import { toProblem } from '../api/resource.ts'
import { common } from '../texts/common-texts.ts'
import { html, type Child, type View } from './html.ts'
import { ProblemNote } from './note.ts'

type Values = Readonly<Record<string, string | boolean>>

export type FormState<V extends Values = Values> = {
  readonly values: V
  readonly set: (changes: Partial<V>) => void
  readonly isBusy: boolean
  readonly problem: ApiProblem | null
  /** What is wrong with a field. */
  readonly errorOf: (name: string) => string | null
  readonly submit: () => void
}

/** The field that a JSON pointer of the daemon leads to: `/events/0` → `events`. */
const fieldOf = (path: string): string => path.split('/')[1] ?? ''

/** What the fields themselves do not show. */
function withoutFields({ problem, values }: FormState): ApiProblem | null {
  if (problem === null || problem.fields.length === 0) return problem
  const { status, code, instance } = problem
  const fields = problem.fields.filter(({ path }) => !Object.hasOwn(values, fieldOf(path)))
  return new ApiProblem(common('checkFields'), { status, code, instance, fields })
}

/** `send` gets the values; its problem is shown. After success, the caller closes or empties the form. */
export function useForm<V extends Values>(initial: V, send: (values: V) => Promise<unknown>): FormState<V> {
  const [values, setValues] = useState(initial)
  const [{ isBusy, problem }, setState] = useState<{ isBusy: boolean; problem: ApiProblem | null }>({ isBusy: false, problem: null })
  const submit = (): void => {
    if (isBusy) return
    setState({ isBusy: true, problem: null })
    send(values)
      .then(() => setState({ isBusy: false, problem: null }))
      .catch((error: unknown) => setState({ isBusy: false, problem: toProblem(error) }))
  }
  const errorOf = (name: string): string | null => problem?.fields.find(({ path }) => fieldOf(path) === name)?.message ?? null
  return { values, set: (changes) => setValues((before) => ({ ...before, ...changes })), isBusy, problem, errorOf, submit }
}

type FormProps = {
  readonly form: FormState
  readonly action: string
  readonly onCancel?: () => void
  readonly isDanger?: boolean
  readonly children?: Child
}

export function Form({ form, action, onCancel, isDanger = false, children }: FormProps): View {
  const onSubmit = (event: Event): void => {
    event.preventDefault()
    form.submit()
  }
  return html`<form class="form" onSubmit=${onSubmit}>
    ${children}
    <${ProblemNote} problem=${withoutFields(form)} />
    <div class="buttons">
      ${onCancel === undefined ? null : html`<button type="button" class="button" onClick=${onCancel}>${common('cancel')}</button>`}
      <button class=${`button main ${isDanger ? 'danger' : ''}`} disabled=${form.isBusy}>${action}</button>
    </div>
  </form>`
}

type FieldProps = {
  readonly form: FormState
  readonly name: string
  readonly label: string
  readonly hint?: Child
  readonly required?: boolean
}

type InputProps = FieldProps & {
  readonly type?: 'text' | 'password' | 'search' | 'number' | 'date' | 'url'
  readonly autocomplete?: string
  readonly autofocus?: boolean
}

/** The label above, then the control, the hint and the error, which the control names. */
function Field({ form, name, label, hint, control }: FieldProps & { readonly control: (attributes: object) => View }): View {
  const id = useId()
  const error = form.errorOf(name)
  const describedBy = [hint === undefined ? '' : `${id}-hint`, error === null ? '' : `${id}-error`].join(' ').trim()
  const attributes = {
    id,
    name,
    value: form.values[name],
    'aria-invalid': error === null ? undefined : 'true',
    'aria-describedby': describedBy === '' ? undefined : describedBy,
    onInput: (event: Event & { currentTarget: HTMLInputElement }) => form.set({ [name]: event.currentTarget.value }),
  }
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${control(attributes)} ${hint === undefined ? null : html`<span class="hint" id=${`${id}-hint`}>${hint}</span>`}
    ${error === null ? null : html`<span class="error" id=${`${id}-error`}>${error}</span>`}
  </div>`
}

export const TextField = ({ type = 'text', autocomplete = 'off', autofocus = false, ...props }: InputProps): View =>
  html`<${Field}
    ...${props}
    control=${(attributes: object) =>
      html`<input
        type=${type}
        autocomplete=${autocomplete}
        autofocus=${autofocus}
        required=${props.required}
        spellcheck=${false}
        ...${attributes}
      />`}
  />`

export const TextArea = ({ rows = 4, ...props }: FieldProps & { readonly rows?: number }): View =>
  html`<${Field}
    ...${props}
    control=${(attributes: object) => html`<textarea rows=${rows} required=${props.required} ...${attributes}></textarea>`}
  />`

type Option = { readonly value: string; readonly text: string }

export const SelectField = ({ options, ...props }: FieldProps & { readonly options: readonly Option[] }): View =>
  html`<${Field}
    ...${props}
    control=${(attributes: object) =>
      html`<select required=${props.required} ...${attributes}>
        ${options.map(({ value, text }) => html`<option key=${value} value=${value} selected=${props.form.values[props.name] === value}>${text}</option>`)}
      </select>`}
  />`

export function CheckField({ form, name, label, hint }: FieldProps): View {
  const onChange = (event: Event & { currentTarget: HTMLInputElement }): void => form.set({ [name]: event.currentTarget.checked })
  return html`<div class="field">
    <label class="check"><input type="checkbox" name=${name} checked=${form.values[name] === true} onChange=${onChange} />${label}</label>
    ${hint === undefined ? null : html`<span class="hint">${hint}</span>`}
  </div>`
}
