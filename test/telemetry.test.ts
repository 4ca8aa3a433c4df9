/**
 * telemetry.test - untrusted text can neither forge a log line nor control the terminal that shows it
 */
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { toPrintable } from '../src/telemetry.ts'

const TELEMETRY = join(import.meta.dirname, '../src/telemetry.ts')
const HOSTILE = '\u001b]0;owned\u0007\u001b[2J\u009b31m\u202egnp.exe\n{"level":60,"msg":"forged"}\r\n'

/** Returns what one log call writes, in the given format. */
function written(format: 'json' | 'pretty', fields: string): string {
  const script = `
    const { createTelemetry } = await import(${JSON.stringify(TELEMETRY)})
    const { log } = await createTelemetry({ level: 'info', format: '${format}' })
    const hostile = ${JSON.stringify(HOSTILE)}
    log.info(${fields}, 'said ' + hostile)`
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).stderr
}

const FIELDS = ['{ text: hostile }', '{ err: new Error(hostile) }', '{ from: hostile, recipient: hostile + "@example.org" }']

test.each(FIELDS)('log injection: a JSON log has one line for each call: %s', (fields) => {
  const lines = written('json', fields).trimEnd().split('\n')
  expect(lines.length).toBe(1)
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 30 })
})

test.each(FIELDS)('terminal escapes: a pretty log contains no control characters of untrusted text: %s', (fields) => {
  const out = written('pretty', fields)
  expect(out).toContain('owned')
  expect(out).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
})

test('addresses in a log are masked', () => {
  const cases = [
    ['joe.smith@example.com', 'j***@example.com'],
    ['x', 'x***'],
    ['', '***'],
    ['\u001b[2J@example.com', '\u241b***@example.com'],
  ] as const
  const line: unknown = JSON.parse(written('json', `{ to: ${JSON.stringify(cases.map(([address]) => address))} }`))
  expect(line).toMatchObject({ to: cases.map(([, masked]) => masked) })
})

test.each([
  ['\u001b]0;x\u0007', '\u241b]0;x\u2407'],
  ['a\u009b31mb', 'a\ufffd31mb'],
  ['\u202eabc', '\ufffdabc'],
  ['tab\tand\nline', 'tab\tand\nline'],
])('terminal escapes: %j', (text, want) => expect(toPrintable(text)).toBe(want))

// /dev/full fails every write with ENOSPC, as a full disk does.
test.skipIf(!existsSync('/dev/full')).each(['json', 'pretty'])(
  'a log on a full disk (%s) loses lines and does not end the process',
  (format) => {
    const full = openSync('/dev/full', 'w')
    const script = `
    import { createTelemetry } from ${JSON.stringify(TELEMETRY)}
    const { log } = await createTelemetry({ level: 'info', format: ${JSON.stringify(format)} })
    for (let n = 0; n < 50; n++) log.info({ n }, 'line')
    setTimeout(() => { log.error('last line'); console.log('alive') }, 50)`
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', full],
      encoding: 'utf8',
    })
    closeSync(full)
    expect([stdout, status]).toEqual(['alive\n', 0])
  },
)
