/**
 * users - the people who sign in to the console, their sessions, and the links with which they choose a password
 *
 * See also: store/account/users, store/account/sessions (the same tables as mappings).
 */
import type { Migration } from './migration.ts'

export const USERS_STEP: Migration = {
  version: 24,
  name: 'users of the console, sessions, password links',
  statements: [
    `create table users (
      name @text not null, role @text not null, password_hash @text, created_at @int not null, disabled_at @int, signed_in_at @int,
      primary key (name)
    ) @narrow`,
    `create table sessions (
      session_hash @bytes not null, kind @text not null, name @text not null, proof_hash @bytes not null, created_at @int not null,
      used_at @int not null, primary key (session_hash)
    ) @narrow`,
    'create index sessions_by_name on sessions (kind, name)',
    `create table password_links (
      link_hash @bytes not null, user_name @text, created_at @int not null, expires_at @int not null, primary key (link_hash)
    ) @narrow`,
  ],
}
