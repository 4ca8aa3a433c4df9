/**
 * account-operations - notes on the operations about an account: settings, labels, keys, webhooks, received mail, users, sessions
 *
 * See also: http/openapi/described-operation.
 */
import type { OperationNote } from './operation-note.ts'

const SOURCE_QUERY = { source: '0123456789abcdef0123456789abcdef' } as const

export const ACCOUNT_OPERATIONS: Readonly<Record<string, OperationNote>> = {
  'GET /v1/accounts': { description: 'The operator sees all accounts, an account sees itself.' },
  'GET /v1/accounts/{apiUser}': {
    description:
      'Any API user names its account. An account sees itself only; another one is 404. `PATCH /v1/account/settings?account=…` changes the settings.',
  },
  'POST /v1/accounts': { description: 'The key of its first API user is shown once.', body: { apiUser: 'shop' } },
  'POST /v1/accounts/{apiUser}/key': {
    description: 'The old key stays valid for a quarter-hour, so that senders can change over without a gap. The key is shown once.',
  },
  'GET /v1/account/settings': { description: 'All settings of the account with their version, which is also the ETag.' },
  'PATCH /v1/account/settings': {
    description:
      'Changes the named settings and makes a new version. Name the version that you read in `If-Match` or `version`, so that no change of somebody else is lost.',
    body: { zone: 'Asia/Shanghai' },
  },
  'GET /v1/account/labels': { description: 'A label groups mails of one kind in statistics. Sending with a new label makes it.' },
  'POST /v1/account/labels': {
    description: 'The name is unique in the account; if it is taken, the answer is 409.',
    body: { name: 'spring' },
  },
  'GET /v1/account/labels/{id}': { description: 'The number of a label never changes; its name may.' },
  'PATCH /v1/account/labels/{id}': {
    description: 'Mails keep the name that they were sent with; statistics follow the number.',
    body: { name: 'summer' },
  },
  'DELETE /v1/account/labels/{id}': { description: 'The label is hidden, and its name can be used again.' },
  'GET /v1/dkim': { description: 'Each key with the DNS record to publish and whether it was seen.' },
  'POST /v1/dkim': {
    description: 'Publish the record of the answer. The key signs as soon as the record is visible; nobody has to come back.',
    body: { domain: 'mail.example.com', algorithm: 'rsa' },
  },
  'POST /v1/dkim/{domain}/rotate': { description: 'Publish the new record; the change happens by itself once it is visible.' },
  'POST /v1/dkim/{domain}/{selector}/activate': { description: 'If the record is visible, the key signs at once.', body: {} },
  'DELETE /v1/dkim/{domain}/{selector}': { description: 'Keep the DNS record for some days: mails in transit are verified with it.' },
  'GET /v1/event-sources': { description: 'Without keys and passwords.' },
  'POST /v1/event-sources': {
    description: 'Give the URL of the answer to the ESP, and the password where there is one; it is shown once.',
    body: { esp: 'ses', topics: ['arn:aws:sns:eu-west-1:123456789012:bounces'] },
  },
  'DELETE /v1/event-sources/{id}': { description: 'Requests to its URL are refused from then on.' },
  'POST /in/ses': {
    description: 'SNS calls it. A subscription of a listed topic is confirmed at once; any other topic is refused.',
    query: SOURCE_QUERY,
  },
  'POST /in/sendgrid': {
    description: 'SendGrid calls it, with the Signed Event Webhook. The body is an array of events.',
    query: SOURCE_QUERY,
  },
  'POST /in/mailgun': { description: 'Mailgun calls it. A token that was used for one event is refused for another.', query: SOURCE_QUERY },
  'POST /in/postmark': { description: 'Postmark calls it, with the password of the source by basic authentication.', query: SOURCE_QUERY },
  'POST /in/sparkpost': {
    description: 'SparkPost calls it, with the password of the source by basic authentication.',
    query: SOURCE_QUERY,
  },
  'GET /v1/webhooks': {
    description: 'Endpoints with their events and their health: `enabled`, and whether the circuit breaker holds them.',
  },
  'POST /v1/webhooks': {
    description:
      'The answer holds the secret, once: verify each request with it (standardwebhooks). The default format, `bounced`, has the words of this API; others have those of SendCloud, EngageLab, Amazon SES, SendGrid and Postmark.',
    body: { url: 'https://hooks.example.com/bounces', events: ['invalid', 'soft_bounce'] },
  },
  'GET /v1/webhooks/{id}': { description: 'Without the secret.' },
  'PATCH /v1/webhooks/{id}': { description: 'Changes the named fields. A disabled endpoint gets no new events.', body: { enabled: false } },
  'DELETE /v1/webhooks/{id}': { description: 'Queued events are not sent any more.' },
  'GET /v1/webhooks/{id}/health': { description: 'How the endpoint answered over the last day, and what waits for it.' },
  'POST /v1/webhooks/{id}/test': {
    description:
      'An event `alarm` whose alarm is `test`, in the format of the endpoint and signed; in a format without a word for alarms, a delivery to test@example.com. It is not stored and not sent again.',
  },
  'GET /v1/webhooks/{id}/outbox': { description: 'What waits for the endpoint, with the next attempt, and what was given up.' },
  'GET /v1/webhooks/{id}/deliveries': { description: 'What was sent, each attempt with the status and the time that the endpoint took.' },
  'GET /v1/webhooks/{id}/deliveries/{event}': { description: 'The payload as it was sent, and every attempt.' },
  'POST /v1/webhooks/{id}/replay': {
    description: 'Queues the events of a time again, with the ids that they had: a receiver that knows them drops them.',
    body: { since: '2026-11-20T10:00:00Z', until: '2026-11-20T12:00:00Z' },
  },
  'POST /v1/webhooks/{id}/deliveries/{event}/replay': { description: 'The id stays the same.' },
  'GET /v1/route-domains': { description: 'Mail to these domains is passed on to the account as it arrives.' },
  'POST /v1/route-domains': {
    description: 'Point the MX record of the domain here first.',
    body: { domain: 'in.example.com' },
    query: { account: 'alice' },
  },
  'DELETE /v1/route-domains/{domain}': { description: 'Mail to the domain is refused from now on.' },
  'GET /v1/route-mails': { description: 'With the outcome of passing each on.' },
  'GET /v1/route-mails/{id}/raw': { description: 'The mail as it arrived. It is hostile text: show it as text only.' },
  'GET /u/{token}': { description: 'The page behind the link of a mail. Programs follow links, so opening it changes nothing.' },
  'POST /u/{token}': { description: 'Answers every token alike: a stranger learns nothing from it.' },
  'GET /v1/session': { description: 'Needs no sign-in: without one, `signedIn` is false.' },
  'POST /v1/session': {
    description: 'Sets the cookie of the session. The request must have the header `X-CSRF-Token`.',
    body: { name: 'ann', password: 'correct horse battery' },
  },
  'DELETE /v1/session': { description: 'The cookie is worth nothing from then on.' },
  'POST /v1/session/password': {
    description: 'Every session of the user ends, this one too.',
    body: { present: 'correct horse battery', password: 'another long secret' },
  },
  'POST /v1/session/link': { description: 'A link is good once, for 24 hours.', body: { token: 'the token of the link' } },
  'GET /v1/users': { description: 'People who sign in to the console, with their roles and sessions.' },
  'POST /v1/users': { description: 'The answer holds the link, once: send it to the user.', body: { name: 'bob', role: 'viewer' } },
  'PATCH /v1/users/{name}': {
    description: 'The last administrator who can sign in cannot be demoted or disabled.',
    body: { disabled: true },
  },
  'DELETE /v1/users/{name}': { description: 'Their sessions end. The audit keeps the name.' },
  'POST /v1/users/{name}/link': { description: 'The present password stays good until the link is used.' },
  'DELETE /v1/users/{name}/sessions': { description: 'The user must sign in again on every device.' },
}
