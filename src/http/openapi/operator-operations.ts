/**
 * operator-operations - notes on the operations that an operator uses: rules, reclassifications, queue, access blocks, alerts, health
 *
 * See also: http/openapi/described-operation.
 */
import type { OperationNote } from './operation-note.ts'

const RULE_FILE = `provider = "common"

[[rule]]
id = "own-box-is-gone"
reason = "not-exist"
says = ["this box is gone for good"]
hits = ["550 5.0.0 This box is gone for good"]
misses = ["450 4.2.2 This box is full"]
`

export const OPERATOR_OPERATIONS: Readonly<Record<string, OperationNote>> = {
  'GET /healthz': { description: 'Answers while the process runs, whatever the state of the store.' },
  'GET /readyz': { description: 'Answers 503 with the reason while the daemon cannot take work.' },
  'GET /v1/status': { description: 'At a glance, for the operator: what waits, and how much room is left.' },
  'GET /v1/shaping': {
    description:
      'Connections, rates, TLS and retries of a site, with the setting or the file and line of each value. Without `site`: the sites that the files name.',
  },
  'GET /v1/reporters': { description: 'Whose signed complaints count, with the complaints of the last four weeks.' },
  'GET /v1/settings': { description: 'Values, sources and reasons, as `bounced config --reasons`. Secrets are not shown.' },
  'GET /v1/rules': {
    description: 'The first rule that fits decides. For the operator, `decided` says how often each did in the last `days`.',
  },
  'GET /v1/rules/{id}': { description: 'The conditions of the rule, the replies that it must decide and those that it must leave alone.' },
  'POST /v1/rules/check': {
    description:
      'Says for each hit and miss which rule decides it, which earlier rules stand before the draft, and which replies of other rules it takes over. Saves nothing.',
    body: { rules: [{ file: 'own.toml', text: RULE_FILE }] },
  },
  'GET /v1/rules/files': { description: 'The files of `rules.folder`; 409 if it is not set.' },
  'GET /v1/rules/files/{file}': { description: 'The text with its version; send the version back when you save.' },
  'PUT /v1/rules/files/{file}': {
    description: 'The file is saved only if the whole folder loads with it, and is in force at once. Nodes that share the folder follow.',
    body: { text: RULE_FILE, version: null },
  },
  'DELETE /v1/rules/files/{file}': { description: 'Refused if another file needs it. The text stays among the versions.' },
  'GET /v1/rules/files/{file}/versions': { description: 'Up to 50, newest first.' },
  'GET /v1/rules/files/{file}/versions/{version}': { description: 'To compare it, or to save it again.' },
  'GET /v1/rules/other': {
    description:
      'The share of verdicts without a meaning, and the most frequent replies behind it: addresses, hosts, ids and numbers are folded, so that one wording is one row.',
  },
  'POST /v1/rules/proposal': {
    description:
      'A file with one rule: the longest run of words as its phrase, the reply as its hit, the most similar known reply as its miss. Correct the reason and the phrase, then check it.',
    body: { reply: '550 5.0.0 This box is gone for good' },
  },
  'POST /v1/explain': {
    description: 'The same verdict as `bounced explain`, with the place of each word that matched. Stores nothing.',
    body: { reply: '550 5.1.1 No such user', mx: 'mx.example.net' },
  },
  'POST /v1/reclassifications': {
    description: 'Starts a dry run. Nothing changes until you apply it.',
    body: { since: '2026-11-01T00:00:00Z', rules: [{ file: 'own.toml', text: RULE_FILE }] },
  },
  'GET /v1/reclassifications': { description: 'Without samples; read one to see them.' },
  'GET /v1/reclassifications/{id}': {
    description: 'Progress, what would change by account, status and list, and samples with both verdicts.',
  },
  'POST /v1/reclassifications/{id}/apply': { description: 'By default only statuses follow.', body: { lists: 'remove', webhooks: false } },
  'POST /v1/reclassifications/{id}/undo': { description: 'Starts a dry run that takes back what this one changed.' },
  'POST /v1/reclassifications/{id}/cancel': { description: 'What it has applied stays; undo it by another reclassification.' },
  'GET /v1/cuts': { description: 'Peers, tokens and accounts whose mail is refused, with who blocked them and why.' },
  'POST /v1/cuts': {
    description: 'Takes effect within seconds, on every node.',
    body: { peer: '192.0.2.1', reason: 'a flood of forged reports' },
  },
  'DELETE /v1/cuts': { description: 'Name the block by its kind and its name.', query: { kind: 'peer', name: '192.0.2.1' } },
  'GET /v1/brakes': {
    description: 'If too many addresses of one site bounce at once, the mass-bounce guard holds the entries until a person decides.',
  },
  'POST /v1/brakes/{site}/apply': { description: 'The held entries are made, as of the time of their bounces.' },
  'POST /v1/brakes/{site}/discard': { description: 'No entry is made; the statuses of the mails stay.' },
  'DELETE /v1/addresses/{address}': {
    description: 'Removes the address from mails, facts and raw mails of every account. Lists keep its hash, so that the protection stays.',
  },
  'GET /v1/alerts': { description: 'Alerts that stand, and those that ended.' },
  'GET /v1/alerts/rules': { description: 'Each with its figure, its threshold and the setting that changes it.' },
  'GET /v1/tls-reports': {
    description:
      'What other mail systems tell about TLS in their sessions to your domains (RFC 8460). Believe the signed ones whose signer you know.',
  },
  'GET /v1/queue': { description: 'Each lane with what waits, its state and why, and when it sends next.' },
  'GET /v1/queue/series': { description: 'Mails that came in, were tried and went out, by the interval that you choose.' },
  'POST /v1/queue/pause': {
    description:
      'Without a domain, all lanes of the account. With a label, its mails alone, also those that come later. Mails keep their place.',
    body: { domain: 'qq.com' },
  },
  'POST /v1/queue/recover': { description: 'With a probe, one mail is tried first.', body: { domain: 'qq.com' } },
  'POST /v1/queue/rate': {
    description: 'A limit that the backoff never exceeds; it may send slower.',
    body: { domain: 'qq.com', perMinute: 60 },
  },
  'POST /v1/queue/delete': { description: 'The mails get the status invalid, and are never sent.', body: { domain: 'qq.com' } },
  'POST /v1/queue/warm-up': { description: 'A new address begins slowly and rises by the day.', body: { egressIp: '192.0.2.1' } },
  'POST /v1/queue/recover-key': {
    description: 'For a key that many accounts share, as an egress IP at a site.',
    body: { key: 'ip|192.0.2.1|qq' },
  },
  'GET /v1/advice': {
    description:
      'What an MTA that keeps its own queue should stop or slow down, from the outcomes that it reports. Poll with `If-None-Match`, or with `since`.',
  },
  'POST /v1/advice/recover': {
    description: 'The key opens within seconds. Needed for list quality, which only a person opens.',
    body: { key: 'ip|192.0.2.1|google', how: 'probe' },
  },
  'GET /v1/queue/orders/{id}': { description: 'A command is done when every node that delivers has taken it.' },
  'GET /v1/events': { description: 'Resume with `Last-Event-ID`. A comment every few seconds keeps the connection open.' },
}
