/**
 * settings-page - the settings in force, their sources and reasons
 *
 * See also: http/api/installation/settings, commands/config.
 */
import { api } from '../../api/client.ts'
import { useResource } from '../../api/resource.ts'
import { navigate, queryValue, withQuery } from '../../app/router.ts'
import { Badge } from '../../components/badge.ts'
import { DataTable, type Column } from '../../components/data-table.ts'
import { EmptyState } from '../../components/empty-state.ts'
import { ForeignText } from '../../components/foreign-text.ts'
import { html, type View } from '../../components/html.ts'
import { PageHead } from '../../components/page-head.ts'
import { QuerySegments } from '../../components/segments.ts'
import { common } from '../../texts/common-texts.ts'
import { settingsTexts as t } from './settings-texts.ts'

/** `GET /v1/settings`. */
type SettingLine = {
  readonly path: string
  readonly variable: string
  readonly text: string
  readonly source: string
  readonly what: string
  readonly why: string
}

export function SettingsPage(): View {
  const list = useResource((signal) => api.get<{ readonly settings: readonly SettingLine[] }>('/settings', { signal }), [])
  const part = queryValue('part').toLowerCase()
  const isChangedOnly = queryValue('show') === 'changed'
  const fits = ({ path, what, variable, source }: SettingLine): boolean =>
    `${path} ${variable} ${what}`.toLowerCase().includes(part) && (!isChangedOnly || source !== 'default')
  const onSubmit = (event: SubmitEvent & { currentTarget: HTMLFormElement }): void => {
    event.preventDefault()
    const typed = new FormData(event.currentTarget).get('part')
    navigate(withQuery({ part: typeof typed === 'string' ? typed.trim() : null }))
  }
  const choices = [
    { value: '', text: t('all') },
    { value: 'changed', text: t('changed') },
  ]
  return html`<${PageHead} title=${t('title')} lead=${t('lead')} />
    <form class="filters" onSubmit=${onSubmit}>
      <div class="field wide">
        <label for="settings-part">${t('search')}</label>
        <input id="settings-part" name="part" type="search" value=${part} key=${part} autocomplete="off" />
      </div>
      <div class="buttons"><button class="button">${common('search')}</button></div>
      <div class="field"><${QuerySegments} label=${t('changedOnly')} name="show" options=${choices} /></div>
    </form>
    <${DataTable}
      caption=${t('title')}
      columns=${columns()}
      rows=${list.value?.settings.filter(fits) ?? null}
      list=${list}
      rowKey=${({ path }: SettingLine) => path}
      empty=${html`<${EmptyState} title=${t('empty')}><p><a href=${withQuery({ part: null, show: null })}>${common('clear')}</a></p></${EmptyState}>`}
    />`
}

const columns = (): readonly Column<SettingLine>[] => [
  {
    key: 'path',
    title: t('setting'),
    isHeading: true,
    sortBy: ({ path }) => path,
    cell: ({ path, variable }) => html`<code>${path}</code><span class="sub">${variable}</span>`,
  },
  { key: 'value', title: t('value'), cell: ({ text }) => html`<${ForeignText} text=${text} />` },
  {
    key: 'source',
    title: t('source'),
    sortBy: ({ source }) => source,
    cell: ({ source }) =>
      html`<${Badge} tone=${source === 'default' ? 'plain' : 'accent'}>${t.has(source) ? t(source) : source}</${Badge}>`,
  },
  { key: 'reason', title: t('reason'), cell: ({ what, why }) => html`${what}.<span class="sub">${why}.</span>` },
]
