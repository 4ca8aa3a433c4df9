/**
 * mailbox-model - what a simulated mailbox does with a message, and what comes back later
 *
 * Every random number belongs to the recipient or the message (queue/schedule/seeded-random), so that the number of attempts before does not
 * change it. Pure. See also: simulator/provider-model, simulator/provider-file (`mailboxes`, `late`).
 */
import { RANDOM_SALTS, seededRandom } from '../queue/schedule/seeded-random.ts'
import type { Mailboxes, ProviderFile } from './provider-file.ts'

const DAY_MS = 86_400_000

/** One attempt, as the mailbox sees it. */
type MailboxAttempt = {
  readonly recipientNumber: number
  readonly messageNumber: number
  readonly attempt: number
  readonly at: number
  readonly firstAt: number
  readonly mailboxes: Mailboxes
}

/** `lateAnswer`: the message is accepted, and an NDR with this answer comes back later; null: none does. */
type MailboxOutcome = {
  readonly outcome: 'unknown' | 'disabled' | 'full' | 'content' | 'busy' | 'accepted'
  readonly lateAnswer: string | null
}

/** What happens to a message if the provider has nothing against its sender. */
export function mailboxOutcomeOf(file: ProviderFile, seed: number, attempt: MailboxAttempt): MailboxOutcome {
  const { mailboxes, messageNumber, attempt: n } = attempt
  const mailbox = mailboxStateOf(seed, attempt)
  if (mailbox === 'unknown' || mailbox === 'disabled') return { outcome: mailbox, lateAnswer: null }
  if (mailbox === 'full' && !hasFreedSpace(seed, attempt)) return { outcome: 'full', lateAnswer: null }
  if (seededRandom(seed, messageNumber, RANDOM_SALTS.content) < mailboxes.content) return { outcome: 'content', lateAnswer: null }
  if (seededRandom(seed, messageNumber, RANDOM_SALTS.busy + 100 * n) < mailboxes.busy) return { outcome: 'busy', lateAnswer: null }
  const { late } = file
  if (late === undefined || seededRandom(seed, messageNumber, RANDOM_SALTS.report) >= late.share)
    return { outcome: 'accepted', lateAnswer: null }
  const answer = late.answers[Math.floor(seededRandom(seed, messageNumber, RANDOM_SALTS.reportText) * late.answers.length)]
  return { outcome: 'accepted', lateAnswer: answer ?? null }
}

/** The state of a recipient's mailbox: the same for every message to it. */
export function mailboxStateOf(
  seed: number,
  { recipientNumber, mailboxes }: Pick<MailboxAttempt, 'recipientNumber' | 'mailboxes'>,
): 'unknown' | 'disabled' | 'full' | 'good' {
  const unit = seededRandom(seed, recipientNumber, RANDOM_SALTS.mailbox)
  const { unknown, disabled, full } = mailboxes
  if (unit < unknown) return 'unknown'
  if (unit < unknown + disabled) return 'disabled'
  return unit < unknown + disabled + full ? 'full' : 'good'
}

/** Whether the owner of a full mailbox has freed space. It happens within four days of the first attempt. */
function hasFreedSpace(seed: number, { recipientNumber, at, firstAt }: MailboxAttempt): boolean {
  return at - firstAt > seededRandom(seed, recipientNumber, RANDOM_SALTS.mailboxFreed) * 4 * DAY_MS
}
