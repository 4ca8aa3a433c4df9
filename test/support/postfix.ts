/**
 * postfix - a real Postfix from Debian on loopback, with a configuration and a queue of its own
 *
 * Needs root, because master(8) gives each process its user. Nothing of the system's Postfix is read or changed.
 */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Why no Postfix can run here; null: it can. */
export const postfixProblem: string | null = !existsSync('/usr/sbin/postfix')
  ? 'Postfix is not installed (apt-get install postfix)'
  : process.getuid?.() !== 0
    ? 'Postfix needs root'
    : null

export type Postfix = {
  /** The port of its SMTP listener. */
  readonly port: number
  readonly logFile: string
  readonly log: () => string
  /** The queue ids of the mails that wait. */
  readonly queued: () => Promise<readonly string[]>
  /** Tries all mails that wait again, at once. */
  readonly flush: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** `main` and `master` are added to main.cf and master.cf. */
type PostfixOptions = { readonly main?: readonly string[]; readonly master?: readonly string[] }

/** A port of loopback that nobody listens on at this moment. */
export async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  await new Promise((resolve) => {
    server.close(resolve)
  })
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

const MAIN = [
  'compatibility_level = 3.6',
  'command_directory = /usr/sbin',
  'daemon_directory = /usr/lib/postfix/sbin',
  'mail_owner = postfix',
  'setgid_group = postdrop',
  'inet_interfaces = 127.0.0.1',
  'inet_protocols = ipv4',
  'myhostname = mx.example.net',
  'mydestination =',
  'mynetworks = 127.0.0.0/8',
  'alias_maps =',
  'biff = no',
  'notify_classes =',
  'smtpd_relay_restrictions = permit_mynetworks, reject',
  'maximal_backoff_time = 5s',
  'minimal_backoff_time = 5s',
  'transport_retry_time = 5s',
]

const MASTER = [
  'pickup    unix  n  -  n  60  1  pickup',
  'cleanup   unix  n  -  n  -   0  cleanup',
  'qmgr      unix  n  -  n  300 1  qmgr',
  'rewrite   unix  -  -  n  -   -  trivial-rewrite',
  'bounce    unix  -  -  n  -   0  bounce',
  'defer     unix  -  -  n  -   0  bounce',
  'trace     unix  -  -  n  -   0  bounce',
  'verify    unix  -  -  n  -   1  verify',
  'flush     unix  n  -  n  1000? 0 flush',
  'proxymap  unix  -  -  n  -   -  proxymap',
  'smtp      unix  -  -  n  -   -  smtp',
  'relay     unix  -  -  n  -   -  smtp',
  'showq     unix  n  -  n  -   -  showq',
  'error     unix  -  -  n  -   -  error',
  'retry     unix  -  -  n  -   -  error',
  'discard   unix  -  -  n  -   -  discard',
  'lmtp      unix  -  -  n  -   -  lmtp',
  'anvil     unix  -  -  n  -   1  anvil',
  'scache    unix  -  -  n  -   1  scache',
  'postlog   unix-dgram n - n - 1  postlogd',
]

/** Starts it; resolves when it listens. Check {@link postfixProblem} before. */
export async function startPostfix({ main = [], master = [] }: PostfixOptions = {}): Promise<Postfix> {
  const folder = mkdtempSync(join(tmpdir(), 'bounced-postfix-'))
  const config = join(folder, 'config')
  const logFile = join(folder, 'mail.log')
  const port = await findFreePort()
  for (const each of ['config', 'queue', 'data']) mkdirSync(join(folder, each))
  execFileSync('chmod', ['755', folder])
  execFileSync('chown', ['postfix', join(folder, 'data')])
  const places = [
    `queue_directory = ${folder}/queue`,
    `data_directory = ${folder}/data`,
    `maillog_file = ${logFile}`,
    `maillog_file_prefixes = ${folder}`,
  ]
  writeFileSync(join(config, 'main.cf'), `${[...MAIN, ...places, ...main].join('\n')}\n`)
  writeFileSync(join(config, 'master.cf'), `${[...MASTER, `127.0.0.1:${port} inet n - n - - smtpd`, ...master].join('\n')}\n`)
  const log = (): string => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '')
  try {
    await run('postfix', ['-c', config, 'start'])
  } catch (error) {
    throw new Error(`Postfix does not start:\n${log()}`, { cause: error })
  }
  return {
    port,
    logFile,
    log,
    queued: async () => {
      const { stdout } = await run('postqueue', ['-c', config, '-j'])
      return stdout.split('\n').flatMap((line) => /"queue_id": ?"(\w+)"/.exec(line)?.[1] ?? [])
    },
    flush: async () => void (await run('postqueue', ['-c', config, '-f'])),
    stop: async () => {
      await run('postfix', ['-c', config, 'stop'])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
