/**
 * roles - what a user of the console may do, as a table
 *
 * A route needs one permission: `read` if its method is safe, otherwise `operate`, unless it states another. An account that signs in with
 * its API key has no role: it may do in its own account what its key may do.
 *
 * Pure. See also: http/server/authorize (checks it), docs/CONSOLE.md.
 */
import type { Role } from '../../store/account/users.ts'

/**
 * `read`: see everything, raw mails included. `operate`: the daily work (lists, inbox, queue, webhooks, exports). `administer`: users,
 * accounts and their keys and settings, access blocks, erasure.
 */
export type Permission = 'read' | 'operate' | 'administer'

const ROLES = {
  viewer: ['read'],
  operator: ['read', 'operate'],
  admin: ['read', 'operate', 'administer'],
} as const satisfies Record<Role, readonly Permission[]>

/** Every role, the least first. */
export const ROLE_NAMES = ['viewer', 'operator', 'admin'] as const satisfies readonly Role[]

export const permissionsOf = (role: Role): readonly Permission[] => ROLES[role]

export const isPermitted = (role: Role, permission: Permission): boolean => permissionsOf(role).includes(permission)
