/**
 * pause-fields - the fields of a manual pause: when it ends, and what becomes of the mail if nobody ends it
 */
import { ApiProblem } from '../../api/client.ts'
import { SelectField, TextField, type FormState } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { readMoment } from '../../components/moment-input.ts'
import { queueTexts as t } from './queue-texts.ts'

export function PauseFields({ form }: { readonly form: FormState }): View {
  const choices = (['keep', 'delete'] as const).map((value) => ({ value, text: t(value) }))
  return html`<${TextField} form=${form} name="until" type="datetime-local" label=${t('until')} />
    <${SelectField} form=${form} name="after15Days" label=${t('after15Days')} options=${choices} />`
}

/** Empty: null. Throws what the form shows if the text is no time. */
export function readOptionalMoment(text: string): string | null {
  const at = readMoment(text)
  if (text !== '' && at === null) throw new ApiProblem(t('invalidTime'), { code: 'input' })
  return at
}
