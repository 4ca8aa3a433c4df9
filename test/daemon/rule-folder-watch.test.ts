/** rule-folder-watch.test - a changed rule file is in force on every node that reads the folder, and a broken one changes nothing */
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { compileDraft } from '../../src/config/rule-draft.ts'
import { loadRules } from '../../src/config/rule-files.ts'
import { readRuleFolder } from '../../src/config/rule-folder.ts'
import { startRuleFolderWatch } from '../../src/daemon/rule-folder-watch.ts'
import { makeContext } from '../support/context.ts'
import { engines } from '../support/engines.ts'

const ruleFile = (words: string): string =>
  `provider = "common"\n[[rule]]\nid = "own-rule"\nreason = "spam"\nsays = ["${words}"]\nhits = ["550 the ${words} here"]\nmisses = ["550 fine"]\n`

afterEach(() => void vi.useRealTimers())

test.each(engines.filter(({ kind }) => kind === 'sqlite'))('a change is read once it is settled', async ({ open }) => {
  const folder = mkdtempSync(join(tmpdir(), 'bounced-rules-'))
  let table = loadRules({ own: folder })
  let reloads = 0
  const reloadOwnRules = (): void => {
    reloads++
    table = compileDraft(table, readRuleFolder(folder, 'operator'))
  }
  const context = { ...(await makeContext((await open()).engine, { now: Date.UTC(2026, 10, 20) })), rules: () => table }
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const stop = startRuleFolderWatch({ context, reloadOwnRules }, folder)
  const look = (): void => void vi.advanceTimersByTime(5_000)
  const first = () => table.rules[0]?.id
  look()
  look()
  expect(reloads).toBe(0)
  const file = join(folder, 'own.toml')
  writeFileSync(file, ruleFile('zorgle of doom'))
  look()
  expect(first()).not.toBe('own-rule')
  look()
  expect([first(), reloads]).toEqual(['own-rule', 1])
  writeFileSync(file, 'provider = ')
  for (let n = 0; n < 5; n++) look()
  expect([first(), reloads]).toEqual(['own-rule', 2])
  writeFileSync(file, ruleFile('gnarf of doom'))
  utimesSync(file, 1, 1)
  for (let n = 0; n < 3; n++) look()
  expect([table.rules[0]?.says, reloads]).toEqual([['gnarf of doom'], 3])
  rmSync(file)
  for (let n = 0; n < 3; n++) look()
  expect([first() === 'own-rule', reloads]).toEqual([false, 4])
  rmSync(folder, { recursive: true })
  for (let n = 0; n < 3; n++) look()
  expect(reloads).toBe(4)
  stop()
  expect(vi.getTimerCount()).toBe(0)
})
