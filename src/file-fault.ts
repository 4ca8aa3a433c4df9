/**
 * file-fault - the Fault for a file or a folder that cannot be used: one sentence with the path, the cause and what to do
 *
 * Wrong settings and missing rights are `config_invalid`: another start changes nothing. A full disk or a mount without its server may come back, so
 * they are `store_busy`.
 *
 * errno(3), mkdir(2), open(2). See also: errors, config/data-folder, net/certificate.
 */
import { userInfo } from 'node:os'
import { Fault } from './errors.ts'

/** `what`: its role, such as "the data folder". `remedy`: how to choose another one, such as "set BOUNCED_DATA". */
export type FileRole = { readonly what: string; readonly path: string; readonly remedy: string }

type Cause = { readonly cause: string; readonly todo: (role: FileRole) => string; readonly isTransient?: true }

const remedyOf = ({ remedy }: FileRole): string => remedy
const GONE = {
  cause: 'is on a mount whose server does not answer',
  todo: () => 'repair the server, or mount it again',
  isTransient: true,
} as const
const NO_RIGHT = {
  get cause() {
    return `is not accessible to the user ${userName()} that bounced runs as`
  },
  todo: ({ path, remedy }: FileRole) =>
    `give that user the right (if it is a file or a folder of bounced alone: chown -R ${userName()} '${path}'), or ${remedy}`,
}

/** By errno. The path completes the sentence at its beginning. */
const CAUSES: Readonly<Record<string, Cause>> = {
  ENOENT: { cause: 'does not exist', todo: ({ remedy }) => `make it, or ${remedy}` },
  ENOTDIR: { cause: 'is a file, or is below a file, where a folder is needed', todo: remedyOf },
  EEXIST: { cause: 'is a file, where a folder is needed', todo: remedyOf },
  EISDIR: { cause: 'is a folder, where a file is needed', todo: remedyOf },
  EACCES: NO_RIGHT,
  EPERM: NO_RIGHT,
  EROFS: {
    cause: 'is on a file system that is mounted read-only',
    todo: (role) => `mount it writable (the log of the kernel says whether its disk is faulty), or ${role.remedy}`,
  },
  ENOSPC: { cause: 'is on a disk that is full', todo: () => 'make room', isTransient: true },
  EDQUOT: { cause: 'is beyond the disk quota of its user', todo: () => 'raise the quota', isTransient: true },
  EIO: { cause: 'is on a disk that reports faults', todo: () => 'look at the log of the kernel (dmesg)', isTransient: true },
  ESTALE: GONE,
  ENOTCONN: GONE,
  EHOSTDOWN: GONE,
  ETIMEDOUT: GONE,
  ELOOP: { cause: 'is a symbolic link that leads to itself', todo: remedyOf },
  ENAMETOOLONG: { cause: 'has a name that is too long for its file system', todo: remedyOf },
  EMFILE: {
    cause: 'cannot be opened: this process has too many open files',
    todo: () => 'raise the limit (LimitNOFILE=, ulimit -n)',
    isTransient: true,
  },
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // A container may run as a user that no file names.
    return String(process.geteuid?.() ?? '')
  }
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '')

/** Whether an error is that of a system call, and not of what the file says. Total. */
export const isSystemError = (error: unknown): boolean => error instanceof Error && 'syscall' in error

/** Total: an error that the table does not have keeps its own words. `code`: that of a fault that another start does not change. */
export function fileFault(role: FileRole, error: unknown, code: 'config_invalid' | 'rule_invalid' = 'config_invalid'): Fault {
  const row = CAUSES[codeOf(error)]
  const words = error instanceof Error ? error.message : String(error)
  const cause = row?.cause ?? `cannot be used (${words})`
  const todo = row?.todo(role) ?? role.remedy
  return new Fault(row?.isTransient ? 'store_busy' : code, `${role.what} ${role.path} ${cause}: ${todo}`, {
    cause: error,
    detail: { file: role.path },
  })
}

/** Opens or reads a file, and explains an error of the system. Faults: config_invalid, store_busy. */
export function withFile<T>(role: FileRole, open: () => T): T {
  try {
    return open()
  } catch (error) {
    throw isSystemError(error) ? fileFault(role, error) : error
  }
}
