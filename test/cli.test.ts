/**
 * cli.test - the commands: their output and exit status
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { childEnvironment } from './support/daemon.ts'

const ROOT = join(import.meta.dirname, '..')
const CLI = join(ROOT, 'src/cli.ts')
const FIXTURE = join(ROOT, 'fixtures/mails/google-not-exist.eml')

type Ran = { readonly status: number | null; readonly out: string; readonly err: string }

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}, input = ''): Ran {
  const done = spawnSync(process.execPath, [CLI, ...args], { cwd: ROOT, env: { ...childEnvironment(), ...env }, encoding: 'utf8', input })
  return { status: done.status, out: done.stdout, err: done.stderr }
}

/** The same without blocking, so that other commands run meanwhile. */
async function runConcurrently(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran> {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: ROOT,
    env: { ...childEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [status, out, err] = await Promise.all([once(child, 'close').then(([code]) => code), text(child.stdout), text(child.stderr)])
  return { status: typeof status === 'number' ? status : null, out, err }
}

const folder = (): string => mkdtempSync(join(tmpdir(), 'bounced-cli-'))

const CALLS: readonly (readonly [
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  status: number,
  out: RegExp,
  err: RegExp,
])[] = [
  // arguments                                   environment                     status  output                   errors
  [['--version'], {}, 0, /^\d+\.\d+\.\d+\n$/, /^$/],
  [['--help'], {}, 0, /Commands:/, /^$/],
  [['explain', '--help'], {}, 0, /--ndjson/, /^$/],
  [['help', 'replay'], {}, 0, /--dry-run/, /^$/],
  [['shaping'], {}, 0, /^google\nyahoo\n/, /^$/],
  [
    ['shaping', 'show', 'gmail.com'],
    {},
    0,
    /site google[\s\S]*connections +20 +delivery\.linesPerSite[\s\S]*mails_per_connection +50 +shaping\.toml:\d+[\s\S]*https:/,
    /^$/,
  ],
  [['shaping', 'show', 'gmail.com', '--ip', 'mars'], {}, 2, /^$/, /--ip takes an IP address/],
  [['shaping', 'show', 'elsewhere.example'], {}, 0, /mails_per_connection +100 +delivery\.connectionMails/, /^$/],
  [['shaping', 'show', 'gmail.com'], { BOUNCED_DELIVERY_SHAPING_FILE: '/nowhere.toml' }, 2, /^$/, /\/nowhere\.toml: .*no such file/],
  [['explian'], {}, 2, /^$/, /Did you mean explain/],
  [['explain'], {}, 2, /^$/, /missing required argument/],
  [['explain', '/nowhere.eml'], {}, 1, /^$/, /no such file/],
  [['explain', FIXTURE], {}, 0, /not-exist, permanent/, /^$/],
  [['config'], {}, 0, /smtp\.port +2525 +default +BOUNCED_SMTP_PORT/, /^$/],
  [['config'], { BOUNCED_SMTP_PORT: '26' }, 0, /smtp\.port +26 +environment/, /^$/],
  [['config'], { BOUNCED_API_KEY: 'do-not-print-this-key' }, 0, /apiKey +\*\*\* \(set\)/, /^$/],
  [['config', '--json'], { BOUNCED_DATABASE: 'postgres://u:secret@h/d' }, 0, /postgres:\/\/u:\*\*\*@h\/d/, /^$/],
  [['config'], { BOUNCED_RETURN_PATH_DOMAIN: 'a.very.long.domain.example.com' }, 0, /./, /warning: returnPathDomain has 30 octets/],
  [
    ['config'],
    { BOUNCED_HTTP_HOST: '0.0.0.0' },
    0,
    /./,
    /warning: serve will not start: http\.host is 0\.0\.0\.0: .*BOUNCED_HTTP_PLAIN=true/,
  ],
  [['config'], { BOUNCED_SMTP_PROT: '26' }, 2, /^$/, /nearest known one is BOUNCED_SMTP_PORT/],
  [['--config', '/nowhere.toml', 'config'], {}, 2, /^$/, /nowhere\.toml/],
  [['rules', 'test', '550 5.1.1 No such user'], {}, 0, /not-exist, permanent/, /^$/],
  [['rules', 'list', '--provider', 'standard'], {}, 0, /rules, table [0-9a-f]{12}\n$/, /^$/],
  [['token', 'mint', 'nonsense'], {}, 2, /^$/, /13 characters/],
  [['token', 'mint', '4io2232222222', '--key', '00'], {}, 2, /^$/, /64 hex digits/],
  [['replay', FIXTURE, '--at', 'noon'], {}, 2, /^$/, /--at takes now/],
  [['suppression', 'reactivate'], {}, 2, /^$/, /--site.*; for one address: bounced suppression remove ADDRESS/],
  [['suppression', '--help'], {}, 0, /show [\s\S]*add [\s\S]*remove /, /^$/],
  [['suppression', 'remove', 'joe@example.org', '--list', 'bouncing'], {}, 2, /^$/, /--list takes bounce, complaint/],
]

test.concurrent.each(CALLS.map(([args, env, status, out, err]) => ({ args, env, status, out, err, what: args.join(' ') })))(
  'bounced $what',
  async ({ args, env, status, out, err }) => {
    const done = await runConcurrently(args, { BOUNCED_DATA: join(tmpdir(), 'bounced-cli-unused'), ...env })
    expect([done.status, done.err]).toEqual([status, expect.stringMatching(err)])
    expect(done.out).toMatch(out)
    expect(done.out).not.toContain('do-not-print-this-key')
  },
)

describe('explain', () => {
  test('--ndjson prints one object a mail, named by its base name', () => {
    const data = folder()
    writeFileSync(join(data, 'a.eml'), 'From: a@example.com\nSubject: hello\n\nhello\n')
    writeFileSync(join(data, 'b.txt'), 'From a@example.com Sat Nov 21 03:00:00 2026\nFrom: a@example.com\n\nhello\n')
    const rows = run(['explain', '--ndjson', data, FIXTURE])
      .out.trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line))
    expect(rows).toMatchObject([
      { file: 'a.eml', kind: 'other', recipients: [] },
      { file: 'b.txt', kind: 'other', recipients: [] },
      {
        file: 'google-not-exist.eml',
        kind: 'bounce',
        recipients: [{ action: 'failed', subStatus: 406, reason: 'not-exist', rule: expect.any(String) }],
      },
    ])
  })

  test.each([
    // options                          to the failed recipient   what it would do
    [['--own-domain', 'own.example'], 'x@own.example', /no status changes; the failed recipient is our own address/],
    [[], 'x@own.example', /the address goes to the bounce list/],
  ] as const)('a double bounce, told %j', (options, recipient, want) => {
    const mail = `From: mailer-daemon@example.com\nSubject: failure notice\nReturn-Path: <>\n\n<${recipient}>: 550 5.1.1 no such user\n`
    expect(run(['explain', '-', ...options], {}, mail).out).toMatch(want)
    expect(run(['explain', ...options, '-'], {}, mail).out).toMatch(want)
  })

  test('a TLS report, and one that cannot be read', () => {
    const fixture = readFileSync(join(ROOT, 'fixtures/mails/tls-report-json.eml'), 'latin1')
    const { out } = run(['explain', '-'], {}, fixture)
    expect(out).toMatch(/kind +tls-report, read as tlsrpt/)
    expect(out).toMatch(/tls +of example\.org about bounce\.example\.com\n/)
    expect(out).toMatch(/policy sts of bounce\.example\.com: 1280 sessions with TLS, 12 failed\n +9 × certificate-expired at mx\.bounce/)
    expect(out).toMatch(/would +changes no status; it is recorded for the installation/)
    const unread = run(['explain', '-'], {}, fixture.replace('"report-id"', '"id"')).out
    expect(unread).toMatch(/tls +of example\.org about bounce\.example\.com: cannot be read\n/)
    expect(unread).toMatch(/would +goes to the inbox, raw/)
  })

  test('no escape sequence in a mail reaches the terminal', () => {
    const { out } = run(
      ['explain', '-'],
      {},
      'From: mailer-daemon@example.com\nSubject: =?utf-8?q?=1B]0;owned=07=1B[2J?=\nX: \u001b[31m\n\n\u001b[2J<joe@example.org>: \u001b[31m550 5.1.1 no such user\n',
    )
    expect(out).toContain('owned')
    expect(out).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/)
  })
})

describe('accounts', () => {
  const env = { BOUNCED_DATA: folder(), BOUNCED_API_USER: 'first', BOUNCED_API_KEY: 'k'.repeat(32) }

  test('a first start shows its secrets once', () => {
    expect(run(['account', 'list'], env).out).toMatch(
      /apiUser first {3}apiKey as BOUNCED_API_KEY gives it\n {2}operator {2}Bearer \S{32}\n/,
    )
    expect(run(['account', 'list'], env).out).not.toMatch(/Bearer|kkkk/)
  })

  const STEPS: readonly (readonly [args: readonly string[], status: number, words: RegExp])[] = [
    [['account', 'add', 'bob'], 0, /apiUser bob {3}apiKey \S{32}/],
    [['account', 'add', 'bob'], 1, /taken/],
    [['account', 'add', 'operator'], 2, /not "operator"/],
    [['account', 'add', 'a b'], 2, /letters, digits/],
    [['account', 'rotate', 'bob'], 0, /bob: \S{32}/],
    [['account', 'rotate', 'operator'], 0, /operator: \S{32}/],
    [['account', 'rotate', 'nobody'], 1, /no account/],
    [['account', 'offline', 'bob'], 0, /number 3 {3}key index 0 {3}key [0-9a-f]{64}/],
    [['token', 'rotate'], 0, /key 1 signs/],
    [['token', 'retire', '1'], 1, /is the signing key: rotate first/],
    [['token', 'retire', '0'], 0, /key 0 is retired/],
    [['token', 'retire', 'x'], 2, /0 to 31/],
    [['token', 'mint', '4io2232222222'], 0, /^34io2232222222[a-z2-7]{16}\n$/],
    [['token', 'read', '4'.repeat(30)], 1, /invalid/],
    [['rebuild', '--check'], 0, /0 differences/],
    [['inbox'], 0, /^0 mails/],
    [['account', 'set', 'bob', 'zone=Asia/Shanghai', 'complaintTypes=abuse'], 0, /version +2\n[^]*zone +Asia\/Shanghai\n/],
    [['account', 'set', 'bob', 'zon=UTC'], 2, /nearest known one is "zone"/],
    [['account', 'set', 'bob', 'trust=all'], 2, /trust: /],
    [['account', 'show', 'bob'], 0, /complaintTypes +abuse\n/],
    [['account', 'show', 'nobody'], 1, /no account/],
    [['mass-bounce'], 0, /^0 sites held/],
    [['mass-bounce', 'discard', 'google'], 0, /was not held/],
  ]
  test('they are added, rotated, refused', { timeout: 600_000 }, () => {
    for (const [args, status, words] of STEPS) {
      const done = run(args, env)
      expect({ args, status: done.status }).toEqual({ args, status })
      expect(done.out + done.err).toMatch(words)
    }
  })

  const BY_HAND: typeof STEPS = [
    [['inbox', 'show', 'x'], 2, /64 hex digits/],
    [['inbox', 'accept', 'ab'.repeat(32)], 1, /no mail with this id/],
    [['block'], 0, /^0 blocks/],
    [['block', 'add'], 2, /--peer, a --token or an --account/],
    [['block', 'add', '--peer', '192.0.2.0/24', '--reason', 'a flood'], 0, /peer 192\.0\.2\.0\/24 is blocked/],
    [['block', 'add', '--peer', '0.0.0.0/0'], 2, /a network such as/],
    [['block', 'add', '--account', 'bob'], 0, /account 2 is blocked/],
    [['block', 'list'], 0, /peer +192\.0\.2\.0\/24 .* a flood\n2 blocks/],
    [['block', 'remove', '--account', 'bob'], 0, /account 2 is unblocked/],
    [['block', 'remove', '--account', 'nobody'], 1, /no account/],
    [['erase', 'joe@example.org'], 0, /erased from 0 sent mails/],
    [['erase', 'nonsense'], 2, /not an email address/],
  ]
  test('mails are settled, peers are blocked, addresses are erased', { timeout: 600_000 }, () => {
    for (const [args, status, words] of BY_HAND) {
      const done = run(args, env)
      expect({ args, status: done.status }).toEqual({ args, status })
      expect(done.out + done.err).toMatch(words)
    }
  })

  test('another master key is refused, and so is a store whose key is gone', () => {
    const other = run(['account', 'list'], { ...env, BOUNCED_MASTER_KEY: 'ab'.repeat(32) })
    expect([other.status, other.err]).toEqual([2, expect.stringContaining('another master key')])
    const lost = run(['account', 'list'], {
      ...env,
      BOUNCED_DATABASE: `sqlite:${join(env.BOUNCED_DATA, 'bounced.db')}`,
      BOUNCED_DATA: folder(),
    })
    expect([lost.status, lost.err]).toEqual([2, expect.stringContaining('master.key is missing')])
  })
})

describe('replay', () => {
  test('a dry run prints changes and keeps none; a second replay changes nothing; exit status tells failure', () => {
    const env = { BOUNCED_DATA: folder(), BOUNCED_API_KEY: 'k'.repeat(32) }
    const dry = run(['replay', '--dry-run', FIXTURE], env)
    expect([dry.status, dry.out]).toEqual([
      0,
      expect.stringMatching(/google-not-exist\.eml: bounce\n {2}inbox: unmatched\n[^]*already received {2}0/),
    ])
    expect([dry.out.includes('There is no store yet'), readdirSync(env.BOUNCED_DATA)]).toEqual([true, []])
    expect(run(['replay', FIXTURE], env).out).toMatch(/already received {2}0/)
    expect(run(['replay', FIXTURE], env).out).toMatch(/already received {2}1/)
    expect(run(['inbox'], env).out).toMatch(/unmatched[^]*1 mails/)
    expect(run(['export', 'facts', '--csv'], env).out).toMatch(/^id,account,/m)
    expect(run(['export', 'facts'], env).out).toMatch(/"receivedAt":"20\d\d-\d\d-\d\dT/)
    expect(run(['export', 'status', '--csv'], env).out).toMatch(/^emailId,messageId,recipient,.*,reason,.*,fault,billable,.*\r\n$/)
    expect(run(['export', 'suppressions', '--csv', '--list', 'bounce'], env).out).toMatch(/^list,address,/)
    expect(run(['export', 'results'], env)).toMatchObject({ status: 2, err: expect.stringContaining('needs broadcast') })
    expect(run(['export', 'nothing'], env)).toMatchObject({ status: 2, err: expect.stringContaining('status, suppressions, results') })
    expect(run(['retire', '--dry-run'], env).out).toMatch(/^before 20\d\d-\d\d-01: 0 sent mails, 0 received mails, 0 events/)
    expect(run(['retire'], env).out).toMatch(/were removed\n$/)
    expect(run(['retire'], { ...env, BOUNCED_RETENTION_MONTHS: '0' }).out).toContain('nothing is ever retired')
    expect(run(['retire'], { ...env, BOUNCED_RETENTION_MONTHS: '1' }).status).toBe(2)
    expect(run(['export', 'jobs'], env).out).toBe('0 exports\n')
    expect(run(['export', 'jobs', 'retry', '0192f000-0000-7000-8000-00000000000e'], env).err).toContain('no such export')
    expect(run(['replay', FIXTURE, '/nowhere'], env).status).toBe(1)
  }, 600_000)
})

describe('serve', () => {
  test.each(['HTTP', 'SMTP'])('a busy %s port is one sentence that names it and its variable', async (door) => {
    const busy = createServer().listen(0, '127.0.0.1')
    await once(busy, 'listening')
    const address = busy.address()
    const port = String(typeof address === 'object' ? address?.port : 0)
    const ports = { BOUNCED_HTTP_PORT: '0', BOUNCED_SMTP_PORT: '0', [`BOUNCED_${door}_PORT`]: port }
    const done = run(['serve'], { BOUNCED_DATA: folder(), ...ports })
    expect([done.status, done.err]).toEqual([
      1,
      `bounced: port ${port} on 127.0.0.1 is in use by another program (ss -ltnp 'sport = :${port}' shows it); end that program, or choose another port with BOUNCED_${door}_PORT or ${door === 'SMTP' ? 'BOUNCED_HOST' : `BOUNCED_${door}_HOST`}\n`,
    ])
    busy.close()
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('prints ready, reloads on SIGHUP, and ends in order on %s', async (signal) => {
    const rules = folder()
    const env = {
      ...childEnvironment(),
      BOUNCED_DATA: folder(),
      BOUNCED_SMTP_PORT: '0',
      BOUNCED_HTTP_PORT: '0',
      BOUNCED_API_KEY: 'k'.repeat(32),
      BOUNCED_LOG_FORMAT: 'json',
      BOUNCED_RULES_FOLDER: rules,
    }
    const child = spawn(process.execPath, [CLI, 'serve'], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let log = ''
    child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()))
    const ready = new Promise<RegExpExecArray>((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        out += `${line}\n`
        const found = /^ready smtp=(\d+) http=(\d+) admin=\d+$/.exec(line)
        if (found) resolve(found)
      })
    })
    const [, , http] = await ready
    expect(out).not.toContain(env.BOUNCED_API_KEY)
    expect(out).toContain('"default:$BOUNCED_API_KEY"')
    expect(out).toMatch(/Three commands to try next:\n {2}npx .*\n {2}curl .*\n {2}curl .*\nconsole .*\nready/)
    expect(out).toContain(`console http://127.0.0.1:${http}/console   API http://127.0.0.1:${http}/v1 `)
    expect((await fetch(`http://127.0.0.1:${http}/readyz`)).status).toBe(200)
    writeFileSync(join(rules, 'own.toml'), 'provider = "own"\n[[rule]]\nid = "x"\n')
    child.kill('SIGHUP')
    await expect.poll(() => log).toContain('reload failed')
    rmSync(join(rules, 'own.toml'))
    child.kill('SIGHUP')
    await expect.poll(() => log).toContain('reloaded')
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    expect(await gone).toBe(0)
  })
})
