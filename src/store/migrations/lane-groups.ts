/**
 * lane-groups - the group of each queued message, who holds each group, and what each node did for a command
 *
 * The hash of a queued message's domain is that of queue/lane-group; its site may be in another group, which the first look-up of its MX hosts finds. Rows of
 * nodes of an older version get group 0 and are moved in the same way.
 *
 * See also: store/queue/lane-groups, store/queue/queued-mail, store/queue/commands.
 */
import type { Migration } from './migration.ts'

const HASH_DOMAINS = `with recursive hashed (domain, position, hash) as (
    select distinct q.domain, 1, cast(0 as @int) from queue_mails q
    union all select h.domain, h.position + 1, (h.hash * 31 + @code(substr(h.domain, h.position, 1))) % 65521
      from hashed h where h.position <= length(h.domain)
  )
  update queue_mails set lane_group = f.hash % 64
    from (select h.domain, h.hash from hashed h where h.position = length(h.domain) + 1) f where f.domain = queue_mails.domain`

export const LANE_GROUPS_STEP: Migration = {
  version: 21,
  name: 'lane groups',
  statements: [
    'alter table queue_mails add column lane_group @int not null default 0',
    HASH_DOMAINS,
    'create table queue_groups (lane_group @int not null, node @text not null, primary key (lane_group)) @narrow',
    'alter table queue_keys add column lane_group @int',
    'alter table queue_reports add column lane_group @int not null default 0',
    "alter table queue_lanes add column node @text not null default ''",
    `create table queue_command_results (
      account_id @int not null, command_id @bytes not null, node @text not null, state @text not null, moved @int not null,
      deleted @int not null, said @text, primary key (account_id, command_id, node)
    ) @strict`,
  ],
}
