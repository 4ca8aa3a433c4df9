/**
 * guides.test - the examples of docs/PRODUCTION.md and docs/guides are accepted by the programs that they are for, and do what the pages say
 *
 * The programs are Debian's. Where one is missing, its test is skipped and its title says so; EXIM names an Exim that is unpacked and not installed.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createTransport } from 'nodemailer'
import { SMTPServer } from 'smtp-server'
import { afterAll, describe, expect, test } from 'vitest'
import { createSelfSignedCertificate } from '../src/net/certificate.ts'
import { childEnvironment, FEEDBACK_DOMAIN, RETURN_PATH_DOMAIN, startDaemon } from './support/daemon.ts'
import { findFreePort, postfixProblem, startPostfix } from './support/postfix.ts'
import { respondWith, startWebhookReceiver } from './support/receiver.ts'

const DOCS = join(import.meta.dirname, '..', 'docs')

/** The code block of a page that begins with this language. */
function blockOf(page: string, language: string): string {
  const block = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'm').exec(readFileSync(join(DOCS, page), 'utf8'))?.[1]
  if (block === undefined) throw new Error(`${page} has no block ${language}`)
  return block
}

const folder = mkdtempSync(join(tmpdir(), 'bounced-guides-'))

function makeFile(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
const unless = (program: string): string => (has(program) ? '' : ` (skipped: ${program} is not installed)`)

type Ran = { readonly status: number | null; readonly output: string }
function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Ran {
  const done = spawnSync(program, args, { encoding: 'utf8', env })
  return { status: done.status, output: `${done.stdout}${done.stderr}` }
}

describe('the proxies of PRODUCTION.md', () => {
  test.skipIf(!has('nginx'))(`nginx${unless('nginx')}`, () => {
    const { cert, key } = createSelfSignedCertificate('bounced.example.com', Date.now())
    const block = blockOf('PRODUCTION.md', 'nginx')
      .replace(/^( *ssl_certificate ).*;/m, `$1${makeFile('cert.pem', cert)};`)
      .replace(/^( *ssl_certificate_key ).*;/m, `$1${makeFile('key.pem', key)};`)
      .replaceAll(/listen (\[::\]:)?443/g, 'listen $144443')
    const config = makeFile('nginx.conf', `error_log stderr;\npid ${folder}/nginx.pid;\nevents {}\nhttp {\n${block}}\n`)
    expect(run('nginx', ['-t', '-c', config])).toMatchObject({ status: 0, output: expect.stringContaining('test is successful') })
  })

  test.skipIf(!has('haproxy'))(`HAProxy${unless('haproxy')}`, () => {
    expect(run('haproxy', ['-c', '-f', makeFile('haproxy.cfg', blockOf('PRODUCTION.md', 'haproxy'))])).toMatchObject({ status: 0 })
  })

  test.skipIf(!has('caddy'))(`Caddy${unless('caddy')}`, () => {
    const done = run('caddy', ['adapt', '--adapter', 'caddyfile', '--config', makeFile('Caddyfile', blockOf('PRODUCTION.md', 'caddy'))])
    expect(done).toMatchObject({ status: 0, output: expect.stringContaining('127.0.0.1:8080') })
  })
})

test.skipIf(postfixProblem !== null)(
  `a Postfix that sends with our Return-Path hands its own report to the daemon${postfixProblem === null ? '' : ` (skipped: ${postfixProblem})`}`,
  async () => {
    const daemon = await startDaemon({ env: { BOUNCED_LOG_LEVEL: 'warn' } })
    const settings = blockOf('guides/SENDERS.md', 'postfix')
      .replaceAll(/(?<=[ {])b\.example\.com/g, RETURN_PATH_DOMAIN)
      .replaceAll('fbl.example.com', FEEDBACK_DOMAIN)
      .replaceAll(':2525', `:${daemon.smtpPort}`)
    const provider = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onRcptTo: (_address, _session, done) => done(Object.assign(new Error('5.1.1 User unknown'), { responseCode: 550 })),
    })
    const providerPort = await findFreePort()
    await new Promise<void>((resolve) => {
      provider.listen(providerPort, '127.0.0.1', resolve)
    })
    const route = `default_transport = smtp:[127.0.0.1]:${providerPort}`
    const postfix = await startPostfix({ main: [...settings.trimEnd().split('\n'), route] })
    try {
      const mail = { from: 'news@example.com', subject: 'Hello', recipients: ['joe@example.org'] }
      const { body } = await daemon.api('POST', '/v1/messages', mail)
      expect(body).toMatchObject({ recipients: [{ returnPath: expect.stringContaining(`@${RETURN_PATH_DOMAIN}`) }] })
      const text = JSON.stringify(body)
      const returnPath = /"returnPath":"([^"]+)"/.exec(text)?.[1] ?? ''
      const emailId = /"emailId":"([^"]+)"/.exec(text)?.[1] ?? ''
      const client = createTransport({ host: '127.0.0.1', port: postfix.port, secure: false, ignoreTLS: true })
      await client.sendMail({ ...mail, text: 'Hi', envelope: { from: returnPath, to: 'joe@example.org' } })
      await expect
        .poll(async () => (await daemon.api('GET', `/v1/messages/${encodeURIComponent(emailId)}`)).body, { timeout: 30_000 })
        .toMatchObject({ status: 4, reason: 'not-exist', asynchronousBounce: true })
    } finally {
      await postfix.stop()
      provider.close()
      await daemon.stop()
    }
  },
  60_000,
)

const EXIM = process.env['EXIM'] ?? 'exim4'
const eximProblem =
  run(EXIM, ['-bV', '-C', '/dev/null']).status === 0 ? '' : ' (skipped: Exim is not installed; EXIM names an unpacked one)'

test.skipIf(eximProblem !== '')(`Exim accepts the example, and routes both domains to the daemon${eximProblem}`, () => {
  const config = makeFile(
    'exim.conf',
    `spool_directory = ${folder}\nlog_file_path = ${folder}/%slog\n${blockOf('guides/SENDERS.md', 'exim')}`,
  )
  expect(run(EXIM, ['-bV', '-C', config])).toMatchObject({ status: 0 })
  const routed = run(EXIM, ['-C', config, '-bt', 'x@b.example.com', 'fbl@fbl.example.com']).output
  expect(routed.match(/router = reports, transport = to_bounced/g)).toHaveLength(2)
  expect(run(EXIM, ['-C', config, '-bt', 'x@b.example.org']).output).not.toContain('to_bounced')
})

describe('the bridge', () => {
  const running: ChildProcess[] = []
  afterAll(() => running.forEach((child) => child.kill()))

  async function startBridge(env: Record<string, string>): Promise<void> {
    const child = spawn(process.execPath, [join(DOCS, 'guides/bridge.mjs')], {
      env: { ...childEnvironment(), BRIDGE_USER: 'bounced', BRIDGE_PASSWORD: 'secret', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    running.push(child)
    await new Promise<void>((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('ready')) resolve()
      })
    })
  }

  const REPLIES = [
    ['gone@example.org', 550, '550 5.1.1 The email account that you tried to reach does not exist'],
    ['full@example.org', 452, '452 4.2.2 The mailbox is over quota'],
    ['blocked@example.org', 550, '550 5.7.1 Your IP address is on a block list'],
    ['good@example.org', 250, '250 2.0.0 OK'],
  ] as const

  const CONTACT = '{"total":"1","contacts":{"47":{"id":47}}}'

  const LISTMONK_CALLS = [
    { path: 'POST /webhooks/bounce', email: 'gone@example.org', source: 'bounced', type: 'hard' },
    { path: 'POST /webhooks/bounce', email: 'full@example.org', source: 'bounced', type: 'soft' },
  ]

  const TARGETS = [
    // program     what it answers   calls
    ['listmonk', '{"data":true}', LISTMONK_CALLS],
    [
      'mautic',
      CONTACT,
      [
        { path: 'GET /api/contacts?minimal=1&search=email%3Agone%40example.org' },
        { path: 'POST /api/contacts/47/dnc/email/add', reason: 2 },
      ],
    ],
  ] as const

  test.each(TARGETS)(
    'tells %s about addresses, and not about a blocked IP',
    async (target, answer, told) => {
      const daemon = await startDaemon({ env: { BOUNCED_WEBHOOKS_ALLOW_PRIVATE: 'true', BOUNCED_LOG_LEVEL: 'warn' } })
      const calls: object[] = []
      const program = await startWebhookReceiver((request, response) => {
        calls.push({ path: `${request.method} ${response.req.url}`, ...(request.body === '' ? {} : JSON.parse(request.body)) })
        expect(request.headers.authorization).toBe(`Basic ${Buffer.from('bounced:secret').toString('base64')}`)
        respondWith(200, answer)(request, response, 0)
      })
      const port = await findFreePort()
      const url = `http://127.0.0.1:${port}/`
      const added = await daemon.api('POST', '/v1/webhooks', { url, events: ['invalid', 'soft_bounce', 'report_spam'] })
      const secret = /whsec_[\w+/=]+/.exec(JSON.stringify(added.body))?.[0] ?? ''
      await startBridge({
        BRIDGE_TARGET: target,
        BRIDGE_URL: new URL(program.url).origin,
        BRIDGE_SECRET: secret,
        BRIDGE_PORT: String(port),
      })
      expect((await fetch(url, { method: 'POST', body: '{}' })).status).toBe(401)
      const { body } = await daemon.api('POST', '/v1/messages', {
        from: 'news@example.com',
        subject: 'Hello',
        recipients: REPLIES.map(([to]) => to),
      })
      const ids = [...JSON.stringify(body).matchAll(/"emailId":"([^"]+)"/g)].map(([, id = '']) => id)
      const attempts = REPLIES.map(([, code, text], n) => ({ emailId: ids[n], code, text, final: code !== 250 }))
      expect((await daemon.api('POST', '/v1/attempts', attempts)).status).toBeLessThan(300)
      await expect.poll(async () => (await daemon.api('GET', '/v1/webhooks/1/outbox')).body, { timeout: 20_000 }).toEqual({ events: [] })
      expect(calls).toMatchObject(told)
      expect(JSON.stringify(calls)).not.toMatch(/blocked|good@/)
      await program.close()
      await daemon.stop()
    },
    60_000,
  )

  test('says what is not set', () => {
    const done = run(process.execPath, [join(DOCS, 'guides/bridge.mjs')], childEnvironment())
    expect(done).toEqual({ status: 2, output: expect.stringContaining('set BRIDGE_TARGET') })
  })
})
