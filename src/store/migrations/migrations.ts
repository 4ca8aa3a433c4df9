/**
 * migrations - all steps of the schema, in order
 *
 * See also: store/migrations/released (the steps of the first release), store/engine/migrate (which runs them).
 */
import { BATCH_MESSAGES } from './batch-messages.ts'
import { COUNTER_SLOTS } from './counter-slots.ts'
import { FOLLOWED_LOGS_STEP } from './followed-logs.ts'
import { MACHINE_ENGAGEMENT } from './machine-engagement.ts'
import { MAIL_BODIES_STEP } from './mail-bodies.ts'
import { ADD_EVENT_SOURCES } from './event-sources.ts'
import { ADD_MAILBOXES } from './mailboxes.ts'
import { LANE_GROUPS_STEP } from './lane-groups.ts'
import { LATE_RESULTS_STEP } from './late-results.ts'
import { MARKED_BY } from './marked-by.ts'
import type { Migration } from './migration.ts'
import { MTA_ADVICE } from './mta-advice.ts'
import { OUTCOMES_BY_TIME } from './outcomes-by-time.ts'
import { ADD_PENDING_VERIFICATIONS } from './pending-verifications.ts'
import { QUEUED_LABEL_NAMES } from './queued-label-names.ts'
import { QUEUED_LABELS } from './queued-labels.ts'
import { RECLASSIFICATIONS_STEP } from './reclassifications.ts'
import { RELEASED_MIGRATIONS } from './released.ts'
import { ADD_REPORT_COPIES } from './report-copies.ts'
import { REPORT_DIGESTS_STEP, REPORTS_BY_TIME } from './report-digests.ts'
import { SEND_TIMES } from './send-times.ts'
import { ADD_TRACKING_DOMAINS } from './tracking-domains.ts'
import { USERS_STEP } from './users.ts'
import { UNGUESSABLE_IDS } from './unguessable-ids.ts'

export const MIGRATIONS: readonly Migration[] = [
  ...RELEASED_MIGRATIONS,
  COUNTER_SLOTS,
  UNGUESSABLE_IDS,
  ADD_PENDING_VERIFICATIONS,
  MAIL_BODIES_STEP,
  OUTCOMES_BY_TIME,
  MARKED_BY,
  LANE_GROUPS_STEP,
  LATE_RESULTS_STEP,
  ADD_TRACKING_DOMAINS,
  USERS_STEP,
  RECLASSIFICATIONS_STEP,
  REPORT_DIGESTS_STEP,
  MACHINE_ENGAGEMENT,
  ADD_EVENT_SOURCES,
  ADD_REPORT_COPIES,
  MTA_ADVICE,
  ADD_MAILBOXES,
  FOLLOWED_LOGS_STEP,
  QUEUED_LABEL_NAMES,
  QUEUED_LABELS,
  SEND_TIMES,
  BATCH_MESSAGES,
  REPORTS_BY_TIME,
]
