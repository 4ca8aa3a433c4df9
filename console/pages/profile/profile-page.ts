/**
 * profile-page - who is signed in, until when; sign out everywhere, the own password, and the preferences of this browser
 *
 * See also: app/session, app/preferences.
 */
import { useState } from 'preact/hooks'
import { ApiProblem, api } from '../../api/client.ts'
import { loadSession, session, signOut } from '../../app/session.ts'
import { PreferenceFields } from '../../components/preference-fields.ts'
import { ConfirmDialog } from '../../components/dialog.ts'
import { Form, TextField, useForm } from '../../components/form.ts'
import { html, type View } from '../../components/html.ts'
import { Moment } from '../../components/moment.ts'
import { notify } from '../../components/note.ts'
import { PageHead } from '../../components/page-head.ts'
import { profileTexts as t } from './profile-texts.ts'

export function ProfilePage(): View {
  const { value } = session
  if (value === null) return null
  return html`<${PageHead} title=${t('title')} />
    <div class="columns">
      <${SessionCard} />
      ${value.kind === 'user' ? html`<${PasswordCard} />` : null}
      <section class="card">
        <header><h2>${t('preferences')}</h2></header>
        <p class="muted small">${t('preferencesLead')}</p>
        <${PreferenceFields} />
      </section>
    </div>`
}

function SessionCard(): View {
  const [isAsking, setAsking] = useState(false)
  const { name, role, endsAt, idleEndsAt } = session.value ?? { name: null, role: null, endsAt: null, idleEndsAt: null }
  return html`<section class="card">
    <header><h2>${t('session')}</h2></header>
    <dl class="pairs">
      <dt>${t('name')}</dt>
      <dd>${name}</dd>
      <dt>${t('role')}</dt>
      <dd>${t(role ?? 'account')}</dd>
      <dt>${t('idleEndsAt')}</dt>
      <dd><${Moment} at=${idleEndsAt} relative=${true} /></dd>
      <dt>${t('endsAt')}</dt>
      <dd><${Moment} at=${endsAt} /></dd>
    </dl>
    <div class="buttons">
      <button type="button" class="button" onClick=${() => void signOut()}>${t('signOut')}</button>
      <button type="button" class="button danger" onClick=${() => setAsking(true)}>${t('everywhere')}</button>
    </div>
    ${
      isAsking
        ? html`<${ConfirmDialog} title=${t('everywhereTitle')} action=${t('everywhere')} isDanger=${true} onClose=${() => setAsking(false)}
            onConfirm=${() => signOut({ everywhere: true })}><p>${t('everywhereText')}</p></${ConfirmDialog}>`
        : null
    }
  </section>`
}

function PasswordCard(): View {
  const form = useForm({ present: '', password: '', repeat: '' }, async ({ present, password, repeat }) => {
    if (password !== repeat) throw new ApiProblem('', { status: 400, fields: [{ path: 'repeat', message: t('differs') }] })
    await api.post('/session/password', { body: { present, password } })
    notify(t('changed'))
    await loadSession()
  })
  return html`<section class="card"><header><h2>${t('password')}</h2></header>
    <p class="muted small">${t('passwordLead')}</p>
    <${Form} form=${form} action=${t('change')}>
      <${TextField} form=${form} name="present" type="password" label=${t('present')} autocomplete="current-password" required=${true} />
      <${TextField} form=${form} name="password" type="password" label=${t('chosen')} autocomplete="new-password" required=${true} />
      <${TextField} form=${form} name="repeat" type="password" label=${t('repeat')} autocomplete="new-password" required=${true} />
    </${Form}>
  </section>`
}
