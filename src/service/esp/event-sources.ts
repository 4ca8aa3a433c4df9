/**
 * event-sources - adds, lists and removes the email service providers whose events an account takes
 *
 * | ESP                 | what the account gives                           | what it gets                          |
 * |---------------------|--------------------------------------------------|---------------------------------------|
 * | SES                 | the ARNs of its SNS topics                       | the URL                               |
 * | SendGrid            | the public key of the Signed Event Webhook       | the URL                               |
 * | Mailgun             | the webhook signing key                          | the URL                               |
 * | Postmark, SparkPost |                                                  | the URL, and a password, shown once   |
 *
 * Each change creates an audit fact. See also: store/account/event-sources, service/esp/verify-request, docs/EVENTS.md.
 */
import { randomBytes } from 'node:crypto'
import type { Vault } from '../../config/vault.ts'
import { Fault } from '../../errors.ts'
import type { Esp } from '../../esp-events/esp-event.ts'
import { parseSendGridKey } from '../../esp-events/esp-signatures.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { addEventSource, listEventSources, removeEventSource, type EventSource } from '../../store/account/event-sources.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

export type EventSourceView = Pick<EventSource, 'sourceId' | 'esp' | 'topics' | 'createdAt'> & { readonly url: string }

type NewEventSource = {
  readonly account: number
  readonly actor: string
  readonly esp: Esp
  /** SES only. */
  readonly topics: readonly string[]
  /** SendGrid and Mailgun only. */
  readonly key: string | null
}

export type EventSourceService = {
  readonly list: (account: number) => Promise<readonly EventSourceView[]>
  /** Adds a source. `password`: what the ESP has to send; null: the ESP signs. Faults: bad_request (topics, key), conflict (too many). */
  readonly add: (source: NewEventSource) => Promise<EventSourceView & { readonly password: string | null }>
  /** Removes a source. Faults: not_found. */
  readonly remove: (source: { readonly account: number; readonly actor: string; readonly sourceId: string }) => Promise<void>
}

/** Of the vault. */
export const EVENT_SOURCE_PURPOSE = 'event-source'

/** A few ESPs, each with a few sub-accounts. */
const MAX_SOURCES = 50
const MAX_TOPICS = 20
const TOPIC = /^arn:aws(?:-cn|-us-gov)?:sns:[a-z0-9-]{2,32}:\d{12}:[\w-]{1,256}(?:\.fifo)?$/
const PASSWORD_BYTES = 24

/** Creates the service. */
export function createEventSourceService(context: Context, vault: Vault): EventSourceService {
  const viewOf = ({ sourceId, esp, topics, createdAt }: EventSource): EventSourceView => ({
    sourceId,
    esp,
    topics,
    createdAt,
    url: `${context.publicUrl}/in/${esp}?source=${sourceId}`,
  })
  return {
    list: async (account) => (await listEventSources(context.engine.read, account)).map(viewOf),
    add: async ({ account, actor, esp, topics, key }) => {
      const { secret, password } = secretOf(esp, { topics, key })
      const source: EventSource = {
        account,
        sourceId: randomBytes(16).toString('hex'),
        esp,
        topics: [...new Set(topics)],
        sealed: secret === null ? null : vault.encrypt(Buffer.from(secret), EVENT_SOURCE_PURPOSE),
        createdAt: context.now(),
      }
      await transact(context, {}, async ({ db, moment }) => {
        if ((await listEventSources(db, account)).length >= MAX_SOURCES)
          throw new Fault('conflict', `an account has at most ${MAX_SOURCES} event sources: remove one`)
        await addEventSource(db, source)
        const detail = { esp, source: source.sourceId, topics: topics.join(',') }
        return { result: null, facts: [createAuditFact(account, 'event-source.add', detail, { actor, moment })] }
      })
      return { ...viewOf(source), password }
    },
    remove: ({ account, actor, sourceId }) =>
      transact(context, {}, async ({ db, moment }) => {
        if (!(await removeEventSource(db, account, sourceId))) throw new Fault('not_found', 'there is no event source with this id')
        return { result: undefined, facts: [createAuditFact(account, 'event-source.remove', { source: sourceId }, { actor, moment })] }
      }),
  }
}

type GivenSecret = { readonly topics: readonly string[]; readonly key: string | null }
type SourceSecret = { readonly secret: string | null; readonly password: string | null }

/** What each ESP proves itself with. Faults: bad_request. */
const SECRETS: Readonly<Record<Esp, (given: GivenSecret) => SourceSecret>> = {
  ses: ({ topics }) => {
    if (topics.length === 0 || topics.length > MAX_TOPICS || !topics.every((topic) => TOPIC.test(topic)))
      throw new Fault(
        'bad_request',
        `topics: name 1 to ${MAX_TOPICS} SNS topics by their ARN, such as arn:aws:sns:eu-west-1:123456789012:bounces`,
      )
    return { secret: null, password: null }
  },
  sendgrid: ({ key }) => {
    if (key === null || parseSendGridKey(key) === null)
      throw new Fault('bad_request', 'key: must be the verification key that SendGrid shows for the Signed Event Webhook')
    return { secret: key, password: null }
  },
  mailgun: ({ key }) => {
    if (key === null || key.length < 16 || key.length > 256)
      throw new Fault('bad_request', 'key: must be the HTTP webhook signing key that Mailgun shows')
    return { secret: key, password: null }
  },
  postmark: generatePassword,
  sparkpost: generatePassword,
}

function generatePassword(): SourceSecret {
  const password = randomBytes(PASSWORD_BYTES).toString('base64url')
  return { secret: password, password }
}

function secretOf(esp: Esp, given: GivenSecret): SourceSecret {
  const takesKey = esp === 'sendgrid' || esp === 'mailgun'
  if (esp !== 'ses' && given.topics.length > 0) throw new Fault('bad_request', 'topics: only SES has them')
  if (!takesKey && given.key !== null) throw new Fault('bad_request', 'key: only SendGrid and Mailgun have one')
  return SECRETS[esp](given)
}
