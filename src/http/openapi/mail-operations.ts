/**
 * mail-operations - notes on the operations about mails: messages, attempts, broadcasts, tracking, suppressions, inbox, exports
 *
 * See also: http/openapi/described-operation.
 */
import type { OperationNote } from './operation-note.ts'

const EMAIL_ID = '1763700000000_4iv22322224xs.example.com$joe@example.org'

export const MAIL_OPERATIONS: Readonly<Record<string, OperationNote>> = {
  'GET /v1/messages': {
    description:
      'Each recipient of a message has a copy of its own, with its own status. Filters combine; without any, the newest copies are listed.',
  },
  'POST /v1/messages': {
    description:
      'Registers one copy for each recipient, and answers with the Return-Path and the headers to send it with. A copy with status 4 must not be sent: a suppression list refused it, its address is invalid, or the broadcast already has it.',
    body: { from: 'Example News <news@example.com>', subject: 'Hello', recipients: ['joe@example.org'], label: 'spring' },
  },
  'GET /v1/messages/{emailId}': {
    description:
      'The timeline holds every fact about the copy, each with its evidence: the reply, the rule that decided and the words that matched.',
  },
  'POST /v1/track/html': {
    description: 'Rewrites links, adds the open image and the unsubscribe link, as the switches of the request and the account say.',
    body: { emailId: EMAIL_ID, html: '<p>Hello <a href="https://example.com/">there</a></p>', tracking: { open: true, click: true } },
  },
  'GET /v1/tracking-domain': {
    description: 'Links in mails use the tracking domain of the account while its CNAME leads here, otherwise the shared one.',
  },
  'POST /v1/tracking-domain/check': {
    description: 'For a record that was published a moment ago: nobody has to wait for the next regular look.',
  },
  'GET /v1/broadcasts/{id}/results': {
    description: 'Counts of the copies of one broadcast by their outcome, and its copies page by page.',
  },
  'POST /v1/attempts': {
    description:
      'For mail that your own MTA sends: reports the reply of the remote server, which is classified as a reply to our own queue would be. The answer has the verdict and, for a temporary failure, when to try again.',
    body: { emailId: EMAIL_ID, code: 550, text: '550 5.1.1 No such user' },
  },
  'POST /in/kumomta': {
    description: 'The log hook of KumoMTA calls it, with one record or an array of them.',
    body: { type: 'Bounce', id: '1d98076abbbc11ed940250ebf67f93bd' },
  },
  'POST /v1/classify': {
    description:
      'What a reply or a mail means, without a registered mail: the same answer as `bounced explain --ndjson`. Stores nothing. `{"items": […]}` classifies many, and an item that is not valid gets an error of its own.',
    body: { reply: '550 5.1.1 No such user', mx: 'mx.example.net' },
  },
  'GET /v1/messages/{emailId}/reports/{digest}': {
    description: 'The mail that came back, with the tree of its parts and the place of each. It is hostile text: show it as text only.',
  },
  'GET /v1/messages/{emailId}/reports/{digest}/raw': { description: 'The mail as it arrived. It is hostile text.' },
  'GET /v1/statistics': {
    description: 'Counts of the account, or of all accounts for the operator, with the period of the same length before them.',
  },
  'GET /v1/statistics/groups': { description: 'The groups with the most mail first.' },
  'GET /v1/engagement': { description: 'Opens, clicks and unsubscribes of the account, people and machines told apart.' },
  'GET /v1/suppressions': {
    description: 'Returns the entries of the address and those of its domain, in force or not.',
    query: { address: 'joe@example.org' },
  },
  'POST /v1/suppressions/{list}/add': {
    description: 'An address that is on the list already gets the new note and end.',
    body: { addresses: ['ann@example.org'], note: 'asked by phone' },
  },
  'POST /v1/suppressions/{list}/remove': {
    description: 'On the bounce list this reactivates the address. The entry stays in the history.',
    body: { addresses: ['ann@example.org'] },
  },
  'GET /v1/suppressions/{list}/{address}': {
    description:
      'Entries that are in force or held, one for each scope, and every change with its actor and note. 404 if the address is not on the list. The list that accounts share is not included: `GET /v1/suppressions` shows it.',
  },
  'PUT /v1/suppressions/{list}/{address}': {
    description: 'Idempotent. An address that is on the list already gets the new note and end.',
    body: { note: 'asked by phone' },
  },
  'DELETE /v1/suppressions/{list}/{address}': {
    description:
      'On the bounce list this reactivates the address. The entry stays in the history, with the note. 404 if the address is not on the list.',
  },
  'GET /v1/suppressions/{list}': { description: 'Entries with their reason, since when and until when, newest first.' },
  'POST /v1/suppressions/check': {
    description: 'Looks addresses up on all lists, before you send. Changes nothing.',
    body: { addresses: ['joe@example.org', 'ann@example.com'] },
  },
  'POST /v1/suppressions/lift': {
    description:
      'Removes bounce-list entries that a provider caused by mistake, by rule, site and time. Run it with `dryRun` first: the answer counts what would be removed.',
    body: { rule: 'google-not-exist', since: '2026-11-20T10:00:00Z', until: '2026-11-20T12:00:00Z', dryRun: true },
  },
  'GET /v1/inbox': {
    description: 'Mails that could not be read, matched or trusted, each with the reason. Nothing is thrown away unseen.',
  },
  'GET /v1/inbox/{id}': { description: 'What was read in the mail, the message that it may be about, and why it was not applied.' },
  'GET /v1/inbox/{id}/parts': { description: 'The tree of the parts, beside the source, with the place of each part in it.' },
  'GET /v1/inbox/{id}/raw': { description: 'The mail as it arrived. It is hostile text: show it as text only.' },
  'POST /v1/inbox/{id}/accept': {
    description: 'You vouch for the mail: it is applied as if its origin had been proven.',
    body: {},
  },
  'POST /v1/inbox/{id}/discard': {
    description: 'The mail leaves the list and changes nothing. Its raw text stays for the retention time.',
  },
  'POST /v1/inbox/{id}/replay': { description: 'After a new rule or a new version: the mail may be read, matched or trusted now.' },
  'POST /v1/inbox/{id}/link': {
    description: 'You say which message the mail is about. If the recipients differ, the answer is 409 unless `force` is set.',
    body: { emailId: EMAIL_ID },
  },
  'POST /v1/exports': {
    description: 'Exports run in the background. Poll the job, then download the file.',
    body: { kind: 'status', since: '2026-11-20T00:00:00Z', until: '2026-11-20T12:00:00Z' },
  },
  'GET /v1/exports': { description: 'Jobs of the account, with their progress.' },
  'GET /v1/exports/{id}': { description: 'State, progress, size of the file, and why a job failed.' },
  'DELETE /v1/exports/{id}': { description: 'A job that runs is stopped first.' },
  'POST /v1/exports/{id}/retry': { description: 'Only a failed job can be retried; it starts anew.' },
  'GET /v1/exports/{id}/download': { description: 'CSV or NDJSON, as the job says. Supports ranges and `If-None-Match`.' },
}
