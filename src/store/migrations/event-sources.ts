/**
 * event-sources - where the events of other senders come from, and the tokens that were used
 *
 * See also: store/account/event-sources, store/account/event-tokens (the same tables as mappings).
 */
import type { Migration } from './migration.ts'

export const ADD_EVENT_SOURCES: Migration = {
  version: 28,
  name: 'sources of events of other senders',
  statements: [
    `create table event_sources (
      account_id @int not null, source_id @text not null, esp @text not null, topics @text not null, sealed @bytes, created_at @int not null,
      primary key (account_id, source_id)
    ) @narrow`,
    'create unique index event_sources_by_id on event_sources (source_id)',
    `create table event_tokens (
      account_id @int not null, source_id @text not null, token @bytes not null, body @bytes not null, received_at @int not null,
      primary key (account_id, source_id, token)
    ) @narrow`,
  ],
}
