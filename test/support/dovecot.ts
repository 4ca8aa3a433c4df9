/**
 * dovecot - a real Dovecot from Debian on loopback, with a configuration and a mail folder of its own
 *
 * Its processes run as the user of the test, or, where that is root, as those of Debian's package. Nothing of the system's Dovecot is read or changed.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { tlsFile } from './smtp-listener.ts'
import { findFreePort } from './postfix.ts'

const run = promisify(execFile)

/** Mail processes of Dovecot do not run as root. */
const NOBODY = 65_534

const PROGRAM = '/usr/sbin/dovecot'

/** Why no Dovecot can run here; null: it can. */
export const dovecotProblem: string | null =
  existsSync(PROGRAM) && existsSync('/usr/lib/dovecot/imap') ? null : 'Dovecot is not installed (apt-get install dovecot-imapd)'

export const MAILBOX_USER = 'bounces@example.com'
export const MAILBOX_PASSWORD = 'a-password-of-the-test'

export type Dovecot = {
  /** The ports of IMAP with STARTTLS, and of IMAP over TLS. */
  readonly port: number
  readonly tlsPort: number
  /** The folder of the user's mails, a Maildir. */
  readonly maildir: string
  /** Puts a mail into a folder, as a delivery does. */
  readonly deliver: (raw: string, folder?: string) => Promise<void>
  /** How many mails a folder has. */
  readonly count: (folder?: string) => number
  readonly log: () => string
  /** Ends its processes; the mails stay. */
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
  /** Forgets UIDs and UIDVALIDITY of all folders, as a server that was rebuilt does. Only while it is stopped. */
  readonly forgetUids: () => void
  readonly remove: () => Promise<void>
}

/** `withoutCapabilities`: extensions that the server does not announce, such as MOVE. */
type DovecotOptions = { readonly withoutCapabilities?: readonly string[] }

const CAPABILITIES = ['IMAP4rev1', 'SASL-IR', 'LITERAL+', 'IDLE', 'UIDPLUS', 'MOVE', 'SPECIAL-USE', 'LIST-EXTENDED']

export async function startDovecot({ withoutCapabilities = [] }: DovecotOptions = {}): Promise<Dovecot> {
  const folder = mkdtempSync(join(tmpdir(), 'bd-'))
  const maildir = join(folder, 'mail')
  const logFile = join(folder, 'dovecot.log')
  const [port, tlsPort] = [await findFreePort(), await findFreePort()]
  for (const name of ['cur', 'new', 'tmp']) mkdirSync(join(maildir, name), { recursive: true })
  const isRoot = process.getuid?.() === 0
  const user = isRoot ? { uid: NOBODY, gid: NOBODY, username: 'dovecot' } : userInfo()
  const loginUser = isRoot ? 'dovenull' : user.username
  const config = join(folder, 'dovecot.conf')
  writeFileSync(join(folder, 'cert.pem'), tlsFile('cert.pem'))
  writeFileSync(join(folder, 'key.pem'), tlsFile('key.pem'), { mode: 0o600 })
  writeFileSync(join(folder, 'users'), `${MAILBOX_USER}:{PLAIN}${MAILBOX_PASSWORD}:${user.uid}:${user.gid}::${folder}\n`, { mode: 0o644 })
  writeFileSync(config, configOf({ folder, port, tlsPort, user: user.username, loginUser, withoutCapabilities }))
  if (isRoot) await run('chown', ['-R', `${NOBODY}:${NOBODY}`, folder])
  await run('chmod', ['755', folder])
  let child: ChildProcess | null = null
  const log = (): string => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '')
  const start = async (): Promise<void> => {
    child = spawn(PROGRAM, ['-F', '-c', config], { stdio: 'ignore' })
    for (let tries = 0; !(await isListening(port)); tries++) {
      if (child.exitCode !== null || tries > 200) throw new Error(`Dovecot does not start:\n${log()}`)
      await sleep(50)
    }
  }
  const stop = async (): Promise<void> => {
    if (child === null || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
  }
  const pathOf = (name: string): string => (name === 'INBOX' ? maildir : join(maildir, `.${name}`))
  let delivered = 0
  await start()
  return {
    port,
    tlsPort,
    maildir,
    deliver: async (raw, name = 'INBOX') => {
      const file = `${Date.now()}.${process.pid}_${++delivered}.test`
      writeFileSync(join(pathOf(name), 'tmp', file), raw)
      await run('mv', [join(pathOf(name), 'tmp', file), join(pathOf(name), 'new', file)])
    },
    count: (name = 'INBOX') => globSync(['cur/*', 'new/*'], { cwd: pathOf(name) }).length,
    log,
    stop,
    start,
    forgetUids: () => {
      for (const file of globSync('**/dovecot*', { cwd: maildir, exclude: [] })) rmSync(join(maildir, file), { force: true })
      for (const file of globSync('{,.*/}dovecot*', { cwd: maildir })) rmSync(join(maildir, file), { force: true })
    },
    remove: async () => {
      await stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

type ConfigOptions = {
  readonly folder: string
  readonly port: number
  readonly tlsPort: number
  readonly user: string
  readonly loginUser: string
  readonly withoutCapabilities: readonly string[]
}

function configOf({ folder, port, tlsPort, user, loginUser, withoutCapabilities }: ConfigOptions): string {
  const capability = CAPABILITIES.filter((name) => !withoutCapabilities.includes(name)).join(' ')
  return `
protocols = imap
listen = 127.0.0.1
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/dovecot.log
default_internal_user = ${user}
default_internal_group = ${user}
default_login_user = ${loginUser}
first_valid_uid = 0
mail_location = maildir:${folder}/mail
mail_home = ${folder}
auth_mechanisms = plain
disable_plaintext_auth = no
ssl = yes
ssl_cert = <${folder}/cert.pem
ssl_key = <${folder}/key.pem
imap_capability = ${capability}
maildir_very_dirty_syncs = no
mailbox_idle_check_interval = 1 secs
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u ${folder}/users
}
userdb {
  driver = passwd-file
  args = username_format=%u ${folder}/users
}
namespace inbox {
  inbox = yes
}
service imap-login {
  chroot =
  user = ${loginUser}
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = ${tlsPort}
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
`
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
