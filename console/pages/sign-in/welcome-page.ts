/**
 * welcome-page - chooses a password with a one-time link, and signs in
 *
 * The token is in the fragment of the URL, which no server sees; it leaves the address bar at once.
 *
 * See also: app/session, docs/CONSOLE.md.
 */
import { useEffect, useState } from 'preact/hooks'
import { ApiProblem, api } from '../../api/client.ts'
import { toProblem } from '../../api/resource.ts'
import { navigate } from '../../app/router.ts'
import { signIn } from '../../app/session.ts'
import { Form, TextField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { Note, ProblemNote } from '../../components/note.ts'
import { AlonePage } from './sign-in-page.ts'
import { signInTexts as t } from './sign-in-texts.ts'

type LinkView = { readonly name: string | null }

/** Read once, so that a second render still has it. */
let token = ''

export function WelcomePage(): View {
  const [link, setLink] = useState<LinkView | null>(null)
  const [problem, setProblem] = useState<ApiProblem | null>(null)
  useEffect(() => {
    if (location.hash.length > 1) {
      token = location.hash.slice(1)
      history.replaceState(null, '', location.pathname)
    }
    api
      .post<LinkView>('/session/link', { body: { token: token || 'none' } })
      .then(setLink)
      .catch((error: unknown) => setProblem(toProblem(error)))
  }, [])
  if (problem?.status === 404)
    return html`<${AlonePage} title=${t('badLink')}><p class="muted">${t('badLinkHelp')}</p><pre class="code">bounced user password NAME</pre></${AlonePage}>`
  return html`<${AlonePage} title=${t(link?.name === null ? 'welcomeFirst' : 'welcome')}>
    <${ProblemNote} problem=${problem} />
    ${link === null ? null : html`<${PasswordForm} link=${link} />`}
  </${AlonePage}>`
}

function PasswordForm({ link }: { readonly link: LinkView }): View {
  const form = useForm({ name: '', password: '', repeat: '' }, async ({ name, password, repeat }) => {
    if (password !== repeat) throw new ApiProblem('', { status: 400, fields: [{ path: 'repeat', message: t('differs') }] })
    const chosen = link.name === null ? { name } : {}
    const user = await api.post<{ readonly name: string }>('/session/link', { body: { token, password, ...chosen } })
    token = ''
    await signIn({ name: user.name, password })
    navigate('/console/', { replace: true })
  })
  return html`${link.name === null ? null : html`<${Note}>${t('welcomeLead', { name: link.name })}</${Note}>`}
    <${Form} form=${form} action=${t('create')}>
      ${link.name === null ? html`<${TextField} form=${form} name="name" label=${t('name')} autocomplete="username" required=${true} />` : null}
      <${TextField} form=${form} name="password" type="password" label=${t('password')} hint=${t('passwordHint')} autocomplete="new-password" required=${true} />
      <${TextField} form=${form} name="repeat" type="password" label=${t('repeat')} autocomplete="new-password" required=${true} />
    </${Form}>`
}
