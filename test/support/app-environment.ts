/**
 * app-environment - the settings of a daemon that a test starts in its own process: free ports, domains, keys, a folder
 */
type AppEnvironment = {
  readonly data: string
  readonly user?: string
  readonly key: string
  readonly more?: Readonly<Record<string, string>>
}

/** The variables for `loadConfig`. `more` replaces those of its names. */
export const appEnvironment = ({ data, user = 'shop', key, more = {} }: AppEnvironment): Record<string, string> => ({
  BOUNCED_SMTP_PORT: '0',
  BOUNCED_HTTP_PORT: '0',
  BOUNCED_HTTP_ADMIN_PORT: '0',
  BOUNCED_DATA: data,
  BOUNCED_RETURN_PATH_DOMAIN: 'bounce.example.com',
  BOUNCED_FEEDBACK_DOMAIN: 'fbl.example.com',
  BOUNCED_API_USER: user,
  BOUNCED_API_KEY: key,
  BOUNCED_MASTER_KEY: '11'.repeat(32),
  BOUNCED_LOG_LEVEL: 'silent',
  ...more,
})

/** Sends all mail to a smarthost on loopback. */
export const smarthostEnvironment = (port: number): Record<string, string> => ({
  BOUNCED_SUBMISSION_PORT: '0',
  BOUNCED_DELIVERY_MODE: 'smarthost',
  BOUNCED_DELIVERY_SMARTHOST: `smtp://127.0.0.1:${port}`,
  BOUNCED_DELIVERY_ALLOW_PRIVATE: 'true',
  BOUNCED_DELIVERY_TLS: 'off',
})
