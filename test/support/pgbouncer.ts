/**
 * pgbouncer - a real pgbouncer before the PostgreSQL of a test run
 *
 * Looks for the program in PATH and /usr/sbin; else it takes the Debian package and its one library with apt-get and unpacks them into a
 * temporary folder. Where neither works, the tests skip and say so. It runs as the user of the PostgreSQL server, because it refuses root.
 *
 * See also: test/support/postgres, test/slow/pgbouncer.test.
 */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findUnprivilegedUser } from './postgres.ts'

export type PoolMode = 'session' | 'transaction' | 'statement'

type Program = { readonly path: string; readonly libraries: string }

/** Returns the program, or null after printing the reason. */
export function findPgbouncer(): Program | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
  const installed = folders.map((folder) => join(folder, 'pgbouncer')).find((path) => existsSync(path))
  if (installed !== undefined) return { path: installed, libraries: '' }
  const folder = mkdtempSync(join(tmpdir(), 'bounced-pgbouncer-'))
  chmodSync(folder, 0o755)
  const run = (command: string, ...args: string[]): boolean => spawnSync(command, args, { cwd: folder, timeout: 60_000 }).status === 0
  const isUnpacked =
    run('apt-get', 'download', 'pgbouncer', 'libc-ares2') &&
    readdirSync(folder).every((name) => !name.endsWith('.deb') || run('dpkg', '-x', name, 'root'))
  const path = join(folder, 'root/usr/sbin/pgbouncer')
  if (isUnpacked && existsSync(path))
    return { path, libraries: join(folder, `root/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`) }
  console.warn('\n[tests] no pgbouncer (PATH, apt-get download): its tests are skipped\n')
  return null
}

/** Starts it before a database. Returns the URL of the database through it. */
export async function startPgbouncer(
  program: Program,
  databaseUrl: string,
  mode: PoolMode,
): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  const target = new URL(databaseUrl)
  const folder = mkdtempSync(join(tmpdir(), 'bounced-pgbouncer-run-'))
  chmodSync(folder, 0o755)
  const port = await freePort()
  const name = target.pathname.slice(1)
  const lines = [
    '[databases]',
    `${name} = host=${target.hostname} port=${target.port} user=${target.username}`,
    '[pgbouncer]',
    `listen_addr = 127.0.0.1`,
    `listen_port = ${port}`,
    'auth_type = any',
    'unix_socket_dir =',
    `pool_mode = ${mode}`,
  ]
  writeFileSync(join(folder, 'pgbouncer.ini'), lines.join('\n'))
  const user = findUnprivilegedUser()
  const child = spawn(program.path, [join(folder, 'pgbouncer.ini')], {
    ...(user === null || user === 'root' ? {} : user),
    env: { LD_LIBRARY_PATH: program.libraries },
    stdio: 'ignore',
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  while (child.exitCode === null && !(await isListening(port))) await sleep(50)
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String(port)
  return {
    url: url.href,
    stop: async () => {
      child.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
