/** rule-files.test - a file of rules is saved whole or not at all, and nothing but a file of the operator's folder can be changed */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadRules } from '../../../src/config/rule-files.ts'
import type { RuleTable } from '../../../src/classify/rule-table.ts'
import type { Context } from '../../../src/service/context.ts'
import { createRuleFileService, type RuleFileService } from '../../../src/service/rules/rule-files.ts'
import { makeContext } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const rule = (id: string, says: string, extra = ''): string =>
  `provider = "common"\n[[rule]]\nid = "${id}"\nreason = "spam"\nsays = ["${says}"]\nhits = ["550 the ${says} here"]\nmisses = ["550 fine"]\n${extra}`
const GOOD = rule('own-zorgle', 'zorgle of doom')

describe.each(engines.filter(({ kind }) => kind === 'sqlite'))('rule files', ({ open }) => {
  let folder: string
  let table: RuleTable
  let context: Context
  let service: RuleFileService
  let isBroken: boolean
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bounced-rules-'))
    table = loadRules({ own: folder })
    isBroken = false
    context = { ...(await makeContext((await open()).engine, { now: T0 })), rules: () => table }
    const reload = (): void => {
      if (isBroken) throw new Error('somebody else broke another file')
      table = loadRules({ own: folder })
    }
    service = createRuleFileService(context, { folder, isWritable: true, reload })
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const audits = async () =>
    (await context.engine.read.all("select data from events where kind = 'audit' order by id")).map(({ data }) => JSON.parse(String(data)))

  test('saves, puts in force, keeps versions, removes, and audits who did it', async () => {
    const before = table.version
    const saved = await service.save({ file: 'own.toml', text: GOOD, actor: 'ann', version: null })
    expect(table.version).not.toBe(before)
    expect(table.rules[0]?.id).toBe('own-zorgle')
    const next = await service.save({ file: 'own.toml', text: `${GOOD}# note\n`, actor: 'ben', version: saved.version })
    expect(service.versions('own.toml')).toEqual([{ version: saved.version, at: T0 }])
    expect(service.findVersion('own.toml', saved.version)).toBe(GOOD)
    expect(() => service.findVersion('own.toml', 'ffffffffffff')).toThrow(/not kept/)
    await service.remove({ file: 'own.toml', actor: 'ann', version: next.version })
    expect(service.list()).toEqual([])
    expect(table.version).toBe(before)
    expect((await audits()).map(({ actor, what, detail }) => [actor, what, detail.file])).toEqual([
      ['ann', 'rules.saved', 'own.toml'],
      ['ben', 'rules.saved', 'own.toml'],
      ['ann', 'rules.removed', 'own.toml'],
    ])
    expect(readdirSync(folder)).toEqual(['.versions'])
  })

  test.each([
    ['no TOML', 'provider = ', /Invalid TOML/],
    ['no provider', '[[rule]]\n', /provider/],
    [
      'a hit that another rule decides',
      rule('own-zorgle', 'zorgle').replace('550 the zorgle here', '550 5.1.1 No such user'),
      /own-zorgle/,
    ],
    ['an id of a shipped rule', rule('aliyun-unknown-user', 'zorgle of doom'), /already in/],
    ['no evidence', 'provider = "common"\n[[rule]]\nid = "x"\nreason = "spam"\nsays = ["zorgle"]\nhits = []\nmisses = []\n', /hits/],
  ])('refuses %s, and changes nothing', async (_, text, message) => {
    await service.save({ file: 'own.toml', text: GOOD, actor: 'ann' })
    const { version } = table
    await expect(service.save({ file: 'own.toml', text, actor: 'ann' })).rejects.toThrow(message)
    expect(readFileSync(join(folder, 'own.toml'), 'utf8')).toBe(GOOD)
    expect(table.version).toBe(version)
    expect(await audits()).toHaveLength(1)
    expect(service.check([{ file: 'own.toml', text }])).toMatchObject({ table: null })
  })

  test('a file that another file needs is not removed', async () => {
    await service.save({ file: 'sets.toml', text: 'provider = "sets"\nphrases = { doom = ["zorgle of doom"] }\n', actor: 'ann' })
    await service.save({ file: 'own.toml', text: GOOD.replace('says = ["zorgle of doom"]', 'says = ["@doom"]'), actor: 'ann' })
    await expect(service.remove({ file: 'sets.toml', actor: 'ann' })).rejects.toThrow(/doom/)
  })

  test('a reload that fails puts the old file back', async () => {
    await service.save({ file: 'own.toml', text: GOOD, actor: 'ann' })
    isBroken = true
    await expect(service.save({ file: 'own.toml', text: `${GOOD}# x\n`, actor: 'ann' })).rejects.toThrow(/somebody else/)
    await expect(service.save({ file: 'new.toml', text: rule('own-two', 'gnarf of doom'), actor: 'ann' })).rejects.toThrow(/somebody else/)
    expect(readFileSync(join(folder, 'own.toml'), 'utf8')).toBe(GOOD)
    expect(readdirSync(folder).filter((name) => !name.startsWith('.'))).toEqual(['own.toml'])
  })

  test('a change since it was read, a link, a folder, no folder and a read-only setting are conflicts', async () => {
    const saved = await service.save({ file: 'own.toml', text: GOOD, actor: 'ann' })
    for (const version of [null, '000000000000'])
      await expect(service.save({ file: 'own.toml', text: GOOD, actor: 'ann', version })).rejects.toMatchObject({ code: 'conflict' })
    expect(saved.version).toBe(service.find('own.toml').version)
    const outside = join(folder, '..', `outside-${process.pid}.txt`)
    writeFileSync(outside, 'secret')
    symlinkSync(outside, join(folder, 'link.toml'))
    await expect(service.save({ file: 'link.toml', text: GOOD, actor: 'ann' })).rejects.toMatchObject({ code: 'conflict' })
    expect(readFileSync(outside, 'utf8')).toBe('secret')
    rmSync(outside)
    rmSync(join(folder, 'link.toml'))
    mkdirSync(join(folder, 'dir.toml'))
    await expect(service.save({ file: 'dir.toml', text: GOOD, actor: 'ann' })).rejects.toMatchObject({ code: 'conflict' })
    const options = { folder: null, isWritable: true, reload: () => undefined }
    expect(() => createRuleFileService(context, options).list()).toThrow(/rules.folder/)
    const readOnly = createRuleFileService(context, { folder, isWritable: false, reload: () => undefined })
    await expect(readOnly.save({ file: 'own.toml', text: GOOD, actor: 'ann' })).rejects.toThrow(/rules.writable/)
  })

  test('a check says which rule decides each reply, what stands before the draft, and what it takes over', () => {
    const shadowed = rule('own-late', 'no such user')
      .replace('550 fine', '550 5.2.2 mailbox full')
      .replace('550 the no such user here', '550 5.1.1 zz no such user')
    const found = service.check([{ file: 'own.toml', text: shadowed }])
    expect(found.rules[0]?.hits[0]).toMatchObject({ decidedBy: 'own-late', isAsWanted: true, matched: ['no such user'] })
    expect(found.taken.length).toBeGreaterThan(0)
    expect(found.taken[0]).toMatchObject({ takenBy: 'own-late' })
    const two = `${rule('own-a', 'zorgle')}\n[[rule]]\nid = "own-b"\nreason = "virus"\nsays = ["zorgle of doom"]\nhits = ["550 zorgle of doom"]\nmisses = ["550 fine"]\n`
    const checked = service.check([{ file: 'own.toml', text: two }])
    expect(checked.table).toBeNull()
    expect(checked.rules.find(({ id }) => id === 'own-b')).toMatchObject({
      shadowedBy: ['own-a'],
      hits: [{ decidedBy: 'own-a', isAsWanted: false }],
    })
  })
})
