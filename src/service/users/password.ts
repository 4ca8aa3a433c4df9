/**
 * password - passwords of users: what is accepted, how they are stored, and how they are checked
 *
 * Stored as a PHC string, `$argon2id$v=19$m=…,t=…,p=…$salt$hash`, so that each keeps the parameters that it was made with and new ones can be
 * stronger. A check costs the same whether the user exists or not. At most two run at once: each takes memory and a thread.
 *
 * RFC 9106 (argon2id), NIST SP 800-63B (length, no composition rules, NFKC). See also: service/users/users.
 */
import { argon2, createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { Fault } from '../../errors.ts'

type Parameters = { readonly memory: number; readonly passes: number; readonly parallelism: number }

/** 19 MiB and two passes: about 50 ms on a server. */
const PARAMETERS: Parameters = { memory: 19_456, passes: 2, parallelism: 1 }
const HASH_BYTES = 32
const SALT_BYTES = 16

/** Shorter ones can be guessed; longer ones are accepted up to a size that costs nothing to hash. */
const PASSWORD_LENGTH = { min: 12, max: 256 } as const

/** Hashes that run at the same time, and that wait; a sign-in beyond them is refused. */
const MAX_RUNNING = 2
const MAX_WAITING = 50

const waiting: (() => void)[] = []
let running = 0

/** Runs one hash when its place in the queue has come. Faults: overloaded. */
async function hashQueued(password: string, salt: Buffer, parameters: Parameters): Promise<Buffer> {
  if (running >= MAX_RUNNING) {
    if (waiting.length >= MAX_WAITING) throw new Fault('overloaded', 'too many sign-ins at once; try again in a moment')
    await new Promise<void>((resolve) => waiting.push(resolve))
  } else running += 1
  try {
    return await hash(password, salt, parameters)
  } finally {
    const next = waiting.shift()
    if (next === undefined) running -= 1
    else next()
  }
}

const hash = (password: string, nonce: Buffer, parameters: Parameters): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const message = Buffer.from(password.normalize('NFKC'))
    argon2('argon2id', { message, nonce, tagLength: HASH_BYTES, ...parameters }, (error, result) => {
      if (error) reject(error)
      else resolve(Buffer.from(result))
    })
  })

/** Faults: bad_request (too short, too long, or the user's name), overloaded. */
export async function hashPassword(password: string, name: string): Promise<string> {
  const { length } = password
  if (length < PASSWORD_LENGTH.min || length > PASSWORD_LENGTH.max)
    throw new Fault('bad_request', `a password has ${PASSWORD_LENGTH.min} to ${PASSWORD_LENGTH.max} characters`)
  if (password.toLowerCase().includes(name.toLowerCase()) && length < name.length + PASSWORD_LENGTH.min)
    throw new Fault('bad_request', 'a password must be more than the name with a few characters')
  const salt = randomBytes(SALT_BYTES)
  return format(await hashQueued(password, salt, PARAMETERS), salt)
}

const encode = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '')

const format = (digest: Buffer, salt: Buffer): string =>
  `$argon2id$v=19$m=${PARAMETERS.memory},t=${PARAMETERS.passes},p=${PARAMETERS.parallelism}$${encode(salt)}$${encode(digest)}`

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

/** Equal to no password. */
const ABSENT = format(Buffer.alloc(HASH_BYTES), Buffer.alloc(SALT_BYTES))

/** Whether a password is the stored one. `stored` is null if there is none: that takes as long, and gives false. Faults: overloaded. */
export async function verifyPassword(stored: string | null, password: string): Promise<boolean> {
  const [, memory, passes, parallelism, salt = '', digest = ''] = PHC.exec(stored ?? ABSENT) ?? PHC.exec(ABSENT) ?? []
  if (password.length > PASSWORD_LENGTH.max) return false
  const parameters = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) }
  const found = await hashQueued(password, Buffer.from(salt, 'base64'), parameters)
  const wanted = Buffer.from(digest, 'base64')
  return stored !== null && wanted.length === found.length && timingSafeEqual(found, wanted)
}

/** SHA-256 of a secret that is random and long, hex. */
export const digestOfToken = (token: string): string => createHash('sha256').update(token).digest('hex')

/** 32 random bytes: a session's id, a link's token. */
export const makeToken = (): string => randomBytes(32).toString('base64url')
