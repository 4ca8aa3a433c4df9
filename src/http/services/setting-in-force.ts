/**
 * setting-in-force - a setting as the API shows it, without secrets
 *
 * See also: settings/display (which makes it), http/api/installation/settings.
 */
export type SettingInForce = {
  readonly path: string
  readonly variable: string
  readonly text: string
  readonly source: string
  readonly what: string
  readonly why: string
}
