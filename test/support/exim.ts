/**
 * exim - Exim from Debian, unpacked into a scratch folder, with a configuration and a spool of its own
 *
 * It is not installed, because it cannot be beside Postfix. Needs root, because Exim delivers as a user of its own.
 */
import { execFile, execFileSync } from 'node:child_process'
import { chownSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

/** Debian's user of that name. */
const MAIL = 8

type Unpacked = { readonly folder: string; readonly program: string; readonly libraries: string }

/** Null: the packages cannot be had here. */
function unpack(): Unpacked | null {
  const folder = mkdtempSync(join(tmpdir(), 'bounced-exim-'))
  const run = (program: string, ...parameters: readonly string[]): unknown =>
    execFileSync(program, parameters, { cwd: folder, stdio: 'ignore', timeout: 30_000 })
  try {
    run('apt-get', 'download', 'exim4-daemon-light', 'libidn12')
    for (const file of globSync('*.deb', { cwd: folder })) run('dpkg', '-x', file, 'root')
    run('chmod', '755', folder)
    // The loader ignores the path of libraries for a program that is setuid.
    run('chmod', '755', 'root/usr/sbin/exim4')
    const [library = ''] = globSync('root/usr/lib/**/libidn.so.12', { cwd: folder })
    const program = join(folder, 'root/usr/sbin/exim4')
    return existsSync(program) ? { folder, program, libraries: join(folder, dirname(library)) } : null
  } catch {
    rmSync(folder, { recursive: true, force: true })
    return null
  }
}

export type Exim = {
  readonly logFile: string
  readonly log: () => string
  /** Puts a mail into its queue. */
  readonly send: (from: string, to: readonly string[], raw: string) => Promise<void>
  /** Tries all mails that wait again. */
  readonly flush: () => Promise<void>
  readonly close: () => void
}

/** `routes` are lines of a manualroute's `route_list` with ports. Null: there is no Exim, or no root. */
export function makeExim(routes: string): Exim | null {
  const unpacked = process.getuid?.() === 0 ? unpack() : null
  if (unpacked === null) return null
  const { folder, libraries } = unpacked
  // Exim runs itself for deliveries and bounces, with a clean environment.
  const program = join(folder, 'exim')
  writeFileSync(program, `#!/bin/sh\nLD_LIBRARY_PATH=${libraries} exec ${unpacked.program} "$@"\n`, { mode: 0o755 })
  for (const each of ['spool', 'log']) {
    mkdirSync(join(folder, each))
    chownSync(join(folder, each), MAIL, MAIL)
  }
  const config = join(folder, 'exim.conf')
  const lines = [
    'primary_hostname = mx.example.net',
    `spool_directory = ${folder}/spool`,
    `log_file_path = ${folder}/log/%slog`,
    `exim_path = ${program}`,
    'exim_user = mail',
    'exim_group = mail',
    'trusted_users = root',
    'never_users =',
    'keep_environment =',
    'begin routers',
    'out:',
    '  driver = manualroute',
    '  transport = remote',
    `  route_list = ${routes}`,
    '  self = send',
    'begin transports',
    'remote:',
    '  driver = smtp',
    '  allow_localhost',
    '  hosts_avoid_tls = *',
    'begin retry',
    // Its time is over with the first failure.
    '* * F,1s,1s',
  ]
  writeFileSync(config, `${lines.join('\n')}\n`)
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
  const logFile = join(folder, 'log/mainlog')
  const run = promisify(execFile)
  return {
    logFile,
    log: () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : ''),
    send: async (from, to, raw) => {
      const running = run(program, ['-C', config, '-odq', '-oi', '-f', from, ...to], { env })
      running.child.stdin?.end(raw)
      await running
    },
    flush: async () => void (await run(program, ['-C', config, '-qff'], { env })),
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}
