/**
 * tracking-domains - the tracking domains of accounts, as DNS showed them last
 *
 * See also: store/account/tracking-domains (the same table as a mapping).
 */
import type { Migration } from './migration.ts'

export const ADD_TRACKING_DOMAINS: Migration = {
  version: 23,
  name: 'the tracking domains of accounts',
  statements: [
    `create table tracking_domains (
      account_id @int not null, domain @text not null, verified_at @int, failing_since @int, checked_at @int not null, problem @text,
      primary key (account_id, domain)
    ) @narrow`,
  ],
}
