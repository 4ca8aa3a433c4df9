/**
 * store-commands - every command that can run in the daemon, by name
 *
 * The daemon serves this table on its command socket. The command line runs the same commands itself where no daemon runs.
 *
 * See also: daemon/command-server, commands/command-runner.
 */
import type { StoreCommand } from '../daemon/store-command.ts'
import { ACCOUNT_COMMANDS } from './account/account.ts'
import { DKIM_COMMANDS } from './account/dkim.ts'
import { EVENT_SOURCE_COMMANDS } from './account/event-source.ts'
import { ERASE_COMMANDS } from './account/erase.ts'
import { INBOUND_COMMANDS } from './account/inbound.ts'
import { TOKEN_COMMANDS } from './account/token.ts'
import { USER_COMMANDS } from './account/user.ts'
import { ALERT_COMMANDS } from './lists/alerts.ts'
import { BLOCK_COMMANDS } from './lists/block.ts'
import { MASS_BOUNCE_COMMANDS } from './lists/mass-bounce.ts'
import { SUPPRESSION_COMMANDS } from './lists/suppression.ts'
import { ADVISE_COMMANDS } from './queue/advise.ts'
import { QUEUE_STORE_COMMANDS } from './queue/queue.ts'
import { FOLLOW_COMMANDS } from './reading/follow-lines.ts'
import { INBOX_COMMANDS } from './reading/inbox.ts'
import { RECLASSIFY_COMMANDS } from './reading/reclassify.ts'
import { REPLAY_COMMANDS } from './reading/replay-mail.ts'
import { TLS_REPORT_COMMANDS } from './reading/tls-reports.ts'
import { EXPORT_JOB_COMMANDS } from './store/export-jobs.ts'
import { TRACE_COMMANDS } from './trace.ts'
import { REBUILD_COMMANDS } from './store/rebuild.ts'
import { RETIRE_COMMANDS } from './store/retire.ts'

export const STORE_COMMANDS: readonly StoreCommand[] = [
  ...ACCOUNT_COMMANDS,
  ...ADVISE_COMMANDS,
  ...ALERT_COMMANDS,
  ...BLOCK_COMMANDS,
  ...DKIM_COMMANDS,
  ...EVENT_SOURCE_COMMANDS,
  ...ERASE_COMMANDS,
  ...EXPORT_JOB_COMMANDS,
  ...FOLLOW_COMMANDS,
  ...INBOUND_COMMANDS,
  ...INBOX_COMMANDS,
  ...MASS_BOUNCE_COMMANDS,
  ...QUEUE_STORE_COMMANDS,
  ...REBUILD_COMMANDS,
  ...RECLASSIFY_COMMANDS,
  ...REPLAY_COMMANDS,
  ...RETIRE_COMMANDS,
  ...SUPPRESSION_COMMANDS,
  ...TLS_REPORT_COMMANDS,
  ...TOKEN_COMMANDS,
  ...TRACE_COMMANDS,
  ...USER_COMMANDS,
]
