/**
 * secret-files - secrets that a file holds instead of a variable: BOUNCED_MASTER_KEY_FILE names the file with the value of BOUNCED_MASTER_KEY
 *
 * For secrets that systemd (LoadCredential=) or a container engine mounts. The environment of a process is visible in more places than a file. Only its
 * owner may read such a file, except in the folders where systemd and container engines put secrets: those are private to the service whatever the mode.
 *
 * systemd.exec(5), Credentials. See also: settings/load, config/master-key-file.
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { requireOwnerOnly } from '../config/owner-only.ts'
import { withFile } from '../file-fault.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Where Docker, Podman and Kubernetes mount secrets by default. */
const MOUNTED_SECRETS = '/run/secrets'

/** A URL of a database or a key is far shorter. */
const MAX_SECRET_OCTETS = 65_536

export const secretFileVariableOf = (variable: string): string => `${variable}_FILE`

/**
 * Returns the environment with the value of each secret that a file holds, and a sentence for each file that cannot be used. Line ends at the end of a
 * file are not part of its secret. `variables`: those of the settings that are secrets.
 */
export function readSecretFiles(
  env: Environment,
  variables: readonly string[],
): { readonly env: Environment; readonly problems: readonly string[] } {
  const read: Record<string, string | undefined> = { ...env }
  const problems: string[] = []
  for (const variable of variables) {
    const file = env[secretFileVariableOf(variable)]
    if (file === undefined || file === '') continue
    try {
      if (env[variable]) throw new Error(`${variable} is set too; set one of them`)
      read[variable] = readSecret(file, [MOUNTED_SECRETS, env['CREDENTIALS_DIRECTORY'] ?? MOUNTED_SECRETS])
    } catch (error) {
      problems.push(`${secretFileVariableOf(variable)}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return { env: read, problems }
}

function readSecret(file: string, privateFolders: readonly string[]): string {
  const role = { what: 'the file', path: file, remedy: 'name another one' }
  const descriptor = withFile(role, () => openSync(file, 'r'))
  try {
    const { mode, size } = fstatSync(descriptor)
    if (!privateFolders.some((folder) => resolve(file).startsWith(`${resolve(folder)}${sep}`)))
      requireOwnerOnly(file, mode, `mount it below ${MOUNTED_SECRETS}`)
    if (size > MAX_SECRET_OCTETS) throw new Error(`${file} has ${size} octets; a secret has at most ${MAX_SECRET_OCTETS}`)
    const secret = withFile(role, () => readFileSync(descriptor, 'utf8')).replace(/[\r\n]+$/, '')
    if (secret === '') throw new Error(`${file} is empty`)
    return secret
  } finally {
    closeSync(descriptor)
  }
}
