/** demo.test - bounced demo: a short run, its summary, and no files left behind. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { splitIntoBatches, generateRecipients } from '../src/commands/queue/demo-campaign.ts'

const CLI = join(import.meta.dirname, '../src/cli.ts')

async function run(...args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, [CLI, 'demo', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise<number | null>((resolve) => {
    child.once('exit', resolve)
  })
  return { code, output }
}

test('a campaign is sent, gets its replies and its summary, and the folder is removed', { timeout: 120_000 }, async () => {
  const { code, output } = await run('--mails', '100', '--seconds', '30', '--submit-seconds', '1')
  // Pasted into a shell, each line is one request; what it shows is a comment.
  const lines = output.split('\n').filter((line) => line.includes('curl'))
  expect(lines.filter((line) => !/^ {2}curl -s -u demo:[\w-]+ (?:-N )?'http:[^' ]+' {3}# \w/.test(line))).toEqual([])
  expect(lines.length).toBeGreaterThan(5)
  const all = /^all +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$/m.exec(output)?.slice(1).map(Number) ?? []
  expect((all[0] ?? 0) + (all[1] ?? 0) + (all[2] ?? 0) + (all[3] ?? 0)).toBe(100)
  expect(all[0]).toBeGreaterThan(50)
  expect(output).toMatch(/^on the bounce list \d+, on the complaint list \d+$/m)
  const data = /data (\S+)/.exec(output)?.[1] ?? ''
  expect(data).not.toBe('')
  expect(existsSync(data)).toBe(false)
  expect(code).toBe(0)
})

test.each([
  ['--mails', '0'],
  ['--speed', 'fast'],
  ['--seconds', '-1'],
])('%s %s is refused', async (...args) => {
  const { code, output } = await run(...args)
  expect(code).toBe(2)
  expect(output).toContain(`${args[0]} takes a number`)
})

test('the list is complete, mixed, and split into requests', () => {
  const list = generateRecipients(1_000)
  expect(list.length).toBe(1_000)
  expect(new Set(list).size).toBe(1_000)
  expect(new Set(list.slice(0, 100).map((address) => address.split('@')[1])).size).toBe(8)
  expect(splitIntoBatches(list).map((batch) => batch.length)).toEqual(Array.from({ length: 20 }, () => 50))
})
