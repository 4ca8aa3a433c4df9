/** advise.test - attempts that are posted become advice in a running daemon, by HTTP, in a file for the MTA, and over a restart */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { childEnvironment, type Daemon, MASTER_KEY, makeTemporaryFolder, startDaemon } from './support/daemon.ts'

const CLI = join(import.meta.dirname, '../src/cli.ts')

type AdviceBody = {
  readonly version: number
  readonly advice: readonly { readonly key: string; readonly action: string; readonly domains: readonly string[] }[]
}

const adviceOf = async (daemon: Daemon, query = ''): Promise<AdviceBody> => Object((await daemon.api('GET', `/v1/advice${query}`)).body)

const run = (data: string, ...args: readonly string[]) =>
  spawnSync(process.execPath, [CLI, 'advise', ...args], {
    env: { ...childEnvironment(), BOUNCED_DATA: data, BOUNCED_MASTER_KEY: MASTER_KEY },
    encoding: 'utf8',
  })

/** Refusals of one IP by one provider. */
async function refuse(daemon: Daemon): Promise<void> {
  const recipients = Array.from({ length: 12 }, (_, n) => `u${n}@qq.com`)
  const { body } = await daemon.api('POST', '/v1/messages', { from: 'news@example.com', subject: 'x', recipients })
  const reply = { code: 550, text: 'Ip frequency limited', mx: 'mx3.qq.com', egressIp: '192.0.2.1', final: false }
  const attempts = Object(body).recipients.map(({ emailId }: { emailId: string }) => ({ ...reply, emailId }))
  expect((await daemon.api('POST', '/v1/attempts', attempts)).status).toBe(200)
}

test('from posted attempts to a transport map, and over a restart', async () => {
  const data = makeTemporaryFolder()
  let daemon = await startDaemon({ data })
  await refuse(daemon)
  await expect.poll(async () => (await adviceOf(daemon)).advice.map(({ domains }) => domains)).toEqual([['qq.com']])
  const { version, advice } = await adviceOf(daemon)
  expect((await adviceOf(daemon, `?since=${version}`)).advice).toEqual([])

  const [file, ran] = [join(data, 'transport'), join(data, 'ran')]
  const written = run(data, '--format', 'postfix', '--output', file, '--then', `echo x >> ${ran}`)
  expect([written.status, written.stderr]).toEqual([0, ''])
  expect(readFileSync(file, 'utf8')).toMatch(/^qq\.com\t(?:retry|slow\d*):/)
  const before = readFileSync(file, 'utf8')
  expect(run(data, '--format', 'postfix', '--output', file, '--then', `echo x >> ${ran}`).status).toBe(0)
  expect([readFileSync(file, 'utf8'), readFileSync(ran, 'utf8')]).toEqual([before, 'x\n'])

  expect(await daemon.stop()).toBe(0)
  // Without a daemon the command reads the store itself.
  expect(run(data, '--format', 'powermta', '--source', '192.0.2.1=vmta1').stdout).toContain("queue 'qq.com/vmta1'")
  daemon = await startDaemon({ data })
  expect((await adviceOf(daemon)).advice.map(({ key }) => key)).toEqual(advice.map(({ key }) => key))
  const [key = ''] = advice.map((each) => each.key)
  expect((await daemon.api('POST', '/v1/advice/recover', { key })).status).toBe(202)
  expect((await daemon.api('POST', '/v1/advice/recover', { key: 'ip|198.51.100.1|qq' })).status).toBe(404)
  expect(await daemon.stop()).toBe(0)
})

const WRONG = [
  ['an unknown format', ['--format', 'sendmail']],
  ['a source without a name', ['--source', '192.0.2.1']],
  ['a source that is no address', ['--source', 'x=y']],
  ['a name with a quote', ['--source', "192.0.2.1=a'b"]],
  ['--watch without a file', ['--watch']],
  ['--watch that is no number', ['--watch', 'soon', '--output', 'x']],
  ['--then without a file', ['--then', 'true']],
] as const

test.each(WRONG)('%s is refused before a store is opened', (_, args) => {
  const data = join(makeTemporaryFolder(), 'none')
  const { status, stdout, stderr } = run(data, ...args)
  expect([status, stdout, stderr.trim().split('\n').length > 0]).toEqual([2, '', true])
  expect(existsSync(data)).toBe(false)
})

test('--watch writes the file again when the advice changes, and a file in its way is an error', async () => {
  const data = makeTemporaryFolder()
  const daemon = await startDaemon({ data })
  const file = join(data, 'advice.json')
  const { spawn } = await import('node:child_process')
  const child = spawn(process.execPath, [CLI, 'advise', '--output', file, '--watch', '1'], {
    env: { ...childEnvironment(), BOUNCED_DATA: data },
    stdio: 'ignore',
  })
  try {
    await expect.poll(() => existsSync(file)).toBe(true)
    expect(readFileSync(file, 'utf8')).toBe('')
    await refuse(daemon)
    await expect.poll(() => readFileSync(file, 'utf8')).toContain('"qq.com"')
  } finally {
    child.kill()
  }
  writeFileSync(join(data, 'plain'), '')
  const failed = run(data, '--output', join(data, 'plain', 'x'))
  expect([failed.status, failed.stderr]).toEqual([2, expect.stringContaining('cannot be written')])
  expect(await daemon.stop()).toBe(0)
  expect(execFileSync(process.execPath, [CLI, 'advise', '--help'], { encoding: 'utf8' })).toContain('kumomta-shaping')
})
