/**
 * config.test - the sources of settings, and the messages for invalid settings and for risky ones
 */
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { databaseUrlOf, loadConfig } from '../src/settings/load.ts'

const folder = mkdtempSync(join(tmpdir(), 'bounced-config-'))

function fileOf(toml: string): string {
  const file = join(folder, `${Math.abs(toml.length)}-${toml.replaceAll(/\W/g, '').slice(0, 40)}.toml`)
  writeFileSync(file, toml)
  return file
}

function valueOf(path: string, env: Record<string, string>, toml: string | null = null): readonly [unknown, string] {
  const row = loadConfig(env, toml === null ? null : fileOf(toml)).rows.find((each) => each.path === path)
  return [row?.value, row?.source ?? '']
}

const VALUES = [
  // setting             environment                                  file                         value            source
  ['smtp.port', {}, null, 2525, 'default'],
  ['host', {}, null, '127.0.0.1', 'default'],
  ['smtp.port', { BOUNCED_SMTP_PORT: '0' }, null, 0, 'environment'],
  ['smtp.port', {}, '[smtp]\nport = 26', 26, 'file'],
  ['smtp.port', { BOUNCED_SMTP_PORT: '27' }, '[smtp]\nport = 26', 27, 'environment'],
  ['smtp.port', { BOUNCED_SMTP_PORT: '' }, '[smtp]\nport = 26', 26, 'file'],
  ['returnPathDomain', { BOUNCED_RETURN_PATH_DOMAIN: 'Bounce.Example.COM' }, null, 'bounce.example.com', 'environment'],
  ['http.trustProxy', { BOUNCED_HTTP_TRUST_PROXY: 'true' }, null, true, 'environment'],
  ['reporters.own', { BOUNCED_REPORTERS_OWN: 'example.com, example.org' }, null, ['example.com', 'example.org'], 'environment'],
  ['reporters.own', { BOUNCED_REPORTERS_OWN: 'FBL@Outlook.com/outlook.com' }, null, ['fbl@outlook.com/outlook.com'], 'environment'],
  ['limits.mailSize', { BOUNCED_LIMITS_MAIL_SIZE: '1000' }, null, 1_000, 'environment'],
  ['giveUpDays', { BOUNCED_GIVE_UP_DAYS: '0' }, null, 0, 'environment'],
] as const

test.each(VALUES)('%s with %j and file %j is %j by %s', (path, env, toml, value, source) => {
  expect(valueOf(path, env, toml)).toEqual([value, source])
})

const REFUSED = [
  // environment                                        file                          message
  [{ BOUNCED_SMTP_PROT: '1' }, null, 'unknown variable BOUNCED_SMTP_PROT; the nearest known one is BOUNCED_SMTP_PORT'],
  [{ BOUNCED_APIKEY: 'x' }, null, 'the nearest known one is BOUNCED_API_KEY'],
  [{}, '[smtp]\nprot = 1', 'unknown key "smtp.prot"; the nearest known one is "smtp.port"'],
  [{}, 'hots = "x"', 'the nearest known one is "host"'],
  [{}, '[limits]\nmailsize = 1', 'the nearest known one is "limits.mailSize"'],
  [{ BOUNCED_SMTP_PORT: 'x' }, null, 'BOUNCED_SMTP_PORT: '],
  [{ BOUNCED_REPORTERS_OWN: 'outlook.com' }, null, 'gives mailboxes to anybody; name the From address of the loop too'],
  [{ BOUNCED_REPORTERS_OWN: 'not a domain' }, null, 'must be ADDRESS, DOMAIN or ADDRESS/DOMAIN'],
  [{ BOUNCED_REPORTERS_OWN: 'a@example.net/example.org/x' }, null, 'must be ADDRESS, DOMAIN or ADDRESS/DOMAIN'],
  [{ BOUNCED_SMTP_PORT: '65536' }, null, 'BOUNCED_SMTP_PORT: '],
  [{}, '[smtp]\nport = "x"', 'smtp.port: '],
  [{}, 'port = ', '.toml: '],
  [{ BOUNCED_TRUST: 'all' }, null, 'BOUNCED_TRUST: '],
  [{ BOUNCED_DATABASE: 'mysql://x' }, null, 'must begin with sqlite: or postgres://'],
  [{ BOUNCED_RETURN_PATH_DOMAIN: 'bücher.example' }, null, 'A-label'],
  [{ BOUNCED_MASTER_KEY: 'short' }, null, 'BOUNCED_MASTER_KEY: '],
  [{ BOUNCED_CONFIG: '/nowhere/bounced.toml' }, null, '/nowhere/bounced.toml'],
] as const

test.each(REFUSED)('%j with file %j is refused: %s', (env, toml, message) => {
  expect(() => loadConfig(env, toml === null ? null : fileOf(toml))).toThrow(message)
})

test('all problems are reported at once', () => {
  expect(() => loadConfig({ BOUNCED_SMTP_PORT: 'x', BOUNCED_TRUST: 'y' })).toThrow(
    /BOUNCED_TRUST: .*\n.*BOUNCED_SMTP_PORT: |BOUNCED_SMTP_PORT: .*\n.*BOUNCED_TRUST: /,
  )
})

const WARNED = [
  // environment                                                           words
  [{ BOUNCED_RETURN_PATH_DOMAIN: 'bounce.example.com12' }, ''],
  [{ BOUNCED_RETURN_PATH_DOMAIN: 'bounce.example.com123' }, '21 octets'],
  [{ BOUNCED_RETURN_PATH_DOMAIN: 'a.example', BOUNCED_FEEDBACK_DOMAIN: 'a.example' }, 'the same'],
  [{ BOUNCED_TLS_CERT: '/x' }, 'set both'],
  [{ BOUNCED_API_KEY: '12345678' }, 'short'],
] as const

test.each(WARNED)('%j warns: %j', (env, message) => {
  const { warnings } = loadConfig(env)
  expect(warnings.filter((warning) => message === '' || !warning.includes(message))).toEqual([])
  expect(warnings.length).toBe(message === '' ? 0 : 1)
})

test('each setting has a purpose and a reason of its default', () => {
  const undocumented = loadConfig({}).rows.filter(({ what, why }) => what.length < 5 || why.length < 3)
  expect(undocumented.map(({ path }) => path)).toEqual([])
})

describe('the database', () => {
  const URLS = [
    [{}, /^sqlite:\/.*\/data\/bounced\.db$/],
    [{ BOUNCED_DATA: '/var/lib/bounced' }, /^sqlite:\/var\/lib\/bounced\/bounced\.db$/],
    [{ BOUNCED_DATABASE: 'sqlite:/tmp/x.db' }, /^sqlite:\/tmp\/x\.db$/],
    [{ BOUNCED_DATABASE: 'postgres://u@h/d' }, /^postgres:\/\/u@h\/d$/],
  ] as const
  test.each(URLS)('of %j', (env, url) => expect(databaseUrlOf(loadConfig(env).settings)).toMatch(url))
})

test.each([
  [{ BOUNCED_STORE_LOCK_SECONDS: '16' }, 'store.statementSeconds'],
  [{ BOUNCED_STORE_STATEMENT_SECONDS: '20' }, 'store.deadlineSeconds'],
  [{ BOUNCED_STORE_DEADLINE_SECONDS: '0' }, 'BOUNCED_STORE_DEADLINE_SECONDS'],
  [{ BOUNCED_STORE_SCAN_SECONDS: '9' }, 'BOUNCED_STORE_SCAN_SECONDS'],
  [{ BOUNCED_STORE_REPLICA: 'mysql://x' }, 'BOUNCED_STORE_REPLICA'],
])('time limits of the store that do not fit stop the start: %j', (env, named) => {
  expect(() => loadConfig(env)).toThrow(named)
})

describe('secrets in files', () => {
  const KEY = 'ab'.repeat(32)
  const secretFile = (text: string, mode = 0o600): string => {
    const file = join(mkdtempSync(join(folder, 'secret-')), 'key')
    writeFileSync(file, text)
    chmodSync(file, mode)
    return file
  }
  const keyOf = (env: Record<string, string>): readonly [unknown, string] => valueOf('masterKey', env)

  test('the value is that of the file, without its line ends', () => {
    expect(keyOf({ BOUNCED_MASTER_KEY_FILE: secretFile(`${KEY}\r\n`) })).toEqual([KEY, 'environment'])
    expect(keyOf({ BOUNCED_MASTER_KEY_FILE: '', BOUNCED_MASTER_KEY: KEY })).toEqual([KEY, 'environment'])
  })

  test('a folder of systemd is private whatever the mode', () => {
    const file = secretFile(KEY, 0o440)
    expect(keyOf({ BOUNCED_MASTER_KEY_FILE: file, CREDENTIALS_DIRECTORY: dirname(file) })[0]).toBe(KEY)
    expect(() => loadConfig({ BOUNCED_MASTER_KEY_FILE: file, CREDENTIALS_DIRECTORY: `${dirname(file)}-other` })).toThrow('mode 0440')
  })

  const BROKEN = [
    // environment                                                                    words
    [() => ({ BOUNCED_MASTER_KEY_FILE: secretFile(KEY), BOUNCED_MASTER_KEY: KEY }), 'BOUNCED_MASTER_KEY is set too'],
    [() => ({ BOUNCED_MASTER_KEY_FILE: secretFile(KEY, 0o644) }), 'can be read or changed by other users (mode 0644): run chmod 600'],
    [() => ({ BOUNCED_MASTER_KEY_FILE: secretFile('\n') }), 'is empty'],
    [() => ({ BOUNCED_MASTER_KEY_FILE: secretFile('x'.repeat(70_000)) }), 'at most 65536'],
    [() => ({ BOUNCED_MASTER_KEY_FILE: join(folder, 'missing') }), 'BOUNCED_MASTER_KEY_FILE: '],
    [() => ({ BOUNCED_MASTER_KEY_FILE: folder }), 'BOUNCED_MASTER_KEY_FILE: '],
    [() => ({ BOUNCED_SMTP_PORT_FILE: '/x' }), 'unknown variable BOUNCED_SMTP_PORT_FILE'],
  ] as const
  test.each(BROKEN)('row %#: %s', (env, words) => {
    expect(() => loadConfig(env())).toThrow(words)
  })

  test('no setting has the name that the file of a secret takes', () => {
    const { rows } = loadConfig({})
    const variables = new Set(rows.map(({ variable }) => variable))
    expect(rows.filter(({ secret }) => secret).filter(({ variable }) => variables.has(`${variable}_FILE`))).toEqual([])
  })
})
