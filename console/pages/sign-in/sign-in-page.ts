/**
 * sign-in-page - signs a user in with a password, or an account with its API key; alone, or over a page whose session has ended
 *
 * See also: app/session, pages/sign-in/welcome-page.
 */
import { useState } from 'preact/hooks'
import { ApiProblem } from '../../api/client.ts'
import { session, signIn } from '../../app/session.ts'
import { Brand } from '../../components/brand.ts'
import { Dialog } from '../../components/dialog.ts'
import { Form, TextField, useForm } from '../../components/form.ts'
import { html, type Child, type View } from '../../components/html.ts'
import { Note } from '../../components/note.ts'
import { Segments } from '../../components/segments.ts'
import { LanguageChoice } from './language-choice.ts'
import { signInTexts as t } from './sign-in-texts.ts'

/** The frame of a page that is shown without a session. */
export const AlonePage = ({ title, children }: { readonly title: Child; readonly children?: Child }): View =>
  html`<div class="alone">
    <main>
      <${Brand} href="/console/" />
      <div class="card">
        <h1>${title}</h1>
        ${children}
      </div>
      <${LanguageChoice} />
    </main>
  </div>`

export const SignInPage = (): View =>
  html`<${AlonePage} title=${t('title')}>
    ${session.value?.hasUsers === false ? html`<${Note} tone="warn"><span>${t('noUsers')}</span><code>bounced user add NAME --role admin</code></${Note}>` : null}
    <${SignInForm} />
  </${AlonePage}>`

/** Over the page of a session that has ended. A reload shows the plain sign-in. */
export function SignInDialog(): View {
  const leave = (): void => location.reload()
  return html`<${Dialog} title=${t('ended')} onClose=${leave}>
    <p class="muted">${t('endedLead')}</p>
    <${SignInForm} />
    <button type="button" class="button" onClick=${leave}>${t('otherUser')}</button>
  </${Dialog}>`
}

function SignInForm(): View {
  const last = session.value
  const [kind, setKind] = useState<'user' | 'account'>(last?.kind ?? 'user')
  const form = useForm({ name: last?.name ?? '', secret: '' }, async ({ name, secret }) => {
    try {
      await signIn(kind === 'user' ? { name, password: secret } : { apiUser: name, apiKey: secret })
    } catch (error) {
      // 401 is shown as a problem here alone; elsewhere it opens this form.
      throw error instanceof ApiProblem && error.status === 401 ? new ApiProblem(t('wrong'), { status: 400, code: error.code }) : error
    }
  })
  const options = [
    { value: 'user' as const, text: t('user') },
    { value: 'account' as const, text: t('account') },
  ]
  return html`<${Segments} legend=${t('kind')} options=${options} value=${kind} onChoose=${setKind} />
    <${Form} form=${form} action=${t('signIn')}>
      <${TextField} form=${form} name="name" label=${t(kind === 'user' ? 'name' : 'apiUser')} autocomplete="username" required=${true} />
      <${TextField} form=${form} name="secret" type="password" label=${t(kind === 'user' ? 'password' : 'apiKey')} autocomplete="current-password" required=${true} />
    </${Form}>`
}
