/**
 * mailbox-settings.test - the setting mailboxes, from a file and from the environment, and what it refuses
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { displaySettings } from '../../src/settings/display.ts'
import { loadConfig } from '../../src/settings/load.ts'
import { makeTemporaryFolder } from '../support/daemon.ts'

const BOX = { name: 'bounces', host: 'imap.example.com', user: 'bounces@example.com', password: 'the-secret' }

const load = (...mailboxes: readonly object[]): ReturnType<typeof loadConfig> =>
  loadConfig({ BOUNCED_MAILBOXES: JSON.stringify(mailboxes) })

test('a table of the file and JSON of the environment mean the same, and defaults fill the rest', () => {
  const file = join(makeTemporaryFolder(), 'bounced.toml')
  const lines = Object.entries(BOX).map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
  writeFileSync(file, `[[mailboxes]]\n${lines.join('\n')}\n`)
  const fromFile = loadConfig({}, file).settings.mailboxes
  expect(fromFile).toEqual(load(BOX).settings.mailboxes)
  expect(fromFile).toEqual([{ ...BOX, port: 993, tls: 'implicit', folder: 'INBOX', pollSeconds: 60 }])
  expect(load({ ...BOX, tls: 'starttls' }).settings.mailboxes).toMatchObject([{ port: 143 }])
  expect(loadConfig({}).settings.mailboxes).toEqual([])
})

test('nobody sees the secrets of the setting', () => {
  const { rows } = load(BOX)
  expect(JSON.stringify(displaySettings(rows))).not.toContain('the-secret')
})

test.each([
  // mailboxes                                                          the refusal names
  [[{ ...BOX, password: undefined }], 'needs one of password, passwordFile, tokenFile'],
  [[{ ...BOX, tokenFile: '/run/token' }], 'needs one of password, passwordFile, tokenFile'],
  [[{ ...BOX, tls: 'none' }], 'loopback'],
  [[{ ...BOX, readFolder: 'INBOX' }], 'must differ'],
  [[{ ...BOX, folder: 'Bounces', unreadFolder: 'Bounces' }], 'must differ'],
  [[{ ...BOX, name: 'My Mailbox' }], 'lower-case'],
  [[{ ...BOX, pollSecond: 5 }], 'pollSecond'],
  [[BOX, { ...BOX, host: 'imap.example.org' }], 'a name of its own'],
  [['bounces@example.com'], 'MAILBOXES'],
] as const)('%# %j is refused', (mailboxes, says) => {
  expect(() => loadConfig({ BOUNCED_MAILBOXES: JSON.stringify(mailboxes) })).toThrow(says)
})

test.each(['imap.example.com', '[', '{}', '[1'])('%j in the environment is refused', (text) => {
  expect(() => loadConfig({ BOUNCED_MAILBOXES: text })).toThrow(/MAILBOXES/)
})
