/**
 * folder-access - makes the data folder, and says what keeps the daemon from using it before a library does in its own words
 *
 * A start fails early and in one sentence: a folder that is a file, that another user owns, that is read-only, and files in it that a command made as another
 * user. A call on a mount without its server never returns, so every path is tried first by a process that can be given up.
 *
 * See also: file-fault (the sentences), daemon/serve-lock, daemon/bootstrap.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants, lstatSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Fault } from '../errors.ts'
import { isSystemError, withFile, type FileRole } from '../file-fault.ts'

const ROLE = { what: 'the data folder', remedy: 'choose another one with BOUNCED_DATA' } as const

/** Files in the folder that only their owner may write. */
const OWN_FILES = /^(?:master\.key|serve\.lock|bounced\.db(?:-wal|-shm)?)$/

/** Makes the folder where it is missing, for its owner only, and checks it and its files. Faults: config_invalid, store_busy. */
export function prepareDataFolder(folder: string): void {
  const role = { ...ROLE, path: resolve(folder) }
  withFile(role, () => makeFolder(role.path))
  checkFolder(role)
  for (const name of withFile(role, () => readdirSync(role.path)).filter((each) => OWN_FILES.test(each)))
    checkFile({ what: 'the file', path: join(role.path, name), remedy: ROLE.remedy })
}

/** Checks the file of the store and its folder, wherever they are. Faults: config_invalid, store_busy. */
export function checkStoreFile(file: string): void {
  const remedy = 'choose another file with BOUNCED_DATABASE=sqlite:FILE'
  checkFolder({ what: 'the folder of the store', path: dirname(resolve(file)), remedy })
  for (const each of [file, `${file}-wal`, `${file}-shm`]) checkFile({ what: 'the store', path: resolve(each), remedy })
}

/** A recursive mkdir of Node never ends where a folder exists and takes no entries (such as /proc), so each level is made once. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // The result of the check says why: a file, a link that leads nowhere, a folder without the right to read it.
    if (isSystemError(error) && lstatSync(path, { throwIfNoEntry: false }) !== undefined) return
    const parent = dirname(path)
    if (parent === path || lstatSync(parent, { throwIfNoEntry: false }) !== undefined) throw error
    makeFolder(parent)
    mkdirSync(path, { mode: 0o700 })
  }
}

function checkFolder(role: FileRole): void {
  withFile(role, () => {
    if (!statSync(role.path).isDirectory()) throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR', syscall: 'stat' })
    accessSync(role.path, constants.R_OK | constants.W_OK | constants.X_OK)
  })
}

function checkFile(role: FileRole): void {
  withFile(role, () => {
    const stats = statSync(role.path, { throwIfNoEntry: false })
    if (stats === undefined) return
    if (stats.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR', syscall: 'stat' })
    accessSync(role.path, constants.R_OK | constants.W_OK)
  })
}

/** A slow disk that has gone to sleep answers within seconds. */
const MOUNT_LIMIT_MS = 10_000

/**
 * Resolves when the file system of each path answers, also with an error. `df` asks it (statfs); a call in this process would block it until the server
 * is back. Without `df`, nothing is tried. Faults: store_busy (a path does not answer in time).
 */
export async function waitForMounts(paths: readonly string[], limitMs: number = MOUNT_LIMIT_MS): Promise<void> {
  await Promise.all([...new Set(paths.map((path) => resolve(path)))].map((path) => waitForMount(path, limitMs)))
}

function waitForMount(path: string, limitMs: number): Promise<void> {
  const child = spawn('df', ['-P', path], { stdio: 'ignore' })
  return new Promise((done, reject) => {
    const timer = setTimeout(() => {
      // In an uninterruptible call, it ends when the server is back; it keeps nobody from ending.
      child.kill('SIGKILL')
      child.unref()
      const text = `${path} does not answer within ${limitMs / 1_000} s: it is on a mount whose server is gone (findmnt -T '${path}' names it): repair the server, or mount it again`
      reject(new Fault('store_busy', text, { detail: { file: path } }))
    }, limitMs)
    const finish = (): void => {
      clearTimeout(timer)
      done()
    }
    child.once('error', finish)
    child.once('exit', finish)
  })
}
