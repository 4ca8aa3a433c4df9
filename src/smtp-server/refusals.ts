/**
 * refusals - the table of SMTP refusals: reply code, enhanced status code, and a text that names the setting of the limit
 *
 * The refusals of smtp-server name no limit and derive the enhanced status code from the basic code; 550 becomes 5.1.1, which would report a
 * refused relay as an unknown user. `findRefusal` recognises them by their texts, so that every refusal we send is a row of this table.
 *
 * RFC 2034, RFC 3463, RFC 5321 §4.2. See also: smtp-server/connection (sends them), smtp-server/smtp-server-adapter, docs/SMTP.md.
 */
import { LIBRARY_REPLIES } from './smtp-server-adapter.ts'

/** `closesConnection`: the connection is closed after the reply. */
export type SmtpRefusal = { readonly code: number; readonly status: string; readonly text: string; readonly closesConnection?: boolean }

/** Every refusal. Its key is the label `reason` of bounced_smtp_refused_total, so a released key never changes. */
export const REFUSALS = {
  relay: { code: 550, status: '5.7.1', text: 'Relaying denied: this server accepts mail for its own domains only' },
  storeBusy: { code: 451, status: '4.3.0', text: 'Temporary storage failure, please try again later' },
  budget: { code: 452, status: '4.3.1', text: 'Too much mail is being received, please try again later (limits.bodyBudget)' },
  disk: { code: 452, status: '4.3.1', text: 'Insufficient disk space, please try again later (limits.freeDiskBytes)' },
  stalled: {
    code: 421,
    status: '4.4.2',
    text: 'Mail data stalled while memory was short, please try again (limits.bodyBudget)',
    closesConnection: true,
  },
  cut: { code: 554, status: '5.7.1', text: 'Mail from your address is blocked by the operator of this server', closesConnection: true },
  closing: { code: 421, status: '4.3.2', text: 'Server is shutting down, please try again', closesConnection: true },
  recipients: {
    code: 452,
    status: '4.5.3',
    text: 'Too many recipients, please send the remaining ones in another mail (limits.recipientsPerMail)',
  },
  tokens: {
    code: 452,
    status: '4.5.3',
    text: 'One Return-Path address for each mail with a null sender, please send the other recipients in another mail (smtp.trustedRelays)',
  },
  repeated: {
    code: 452,
    status: '4.5.3',
    text: 'This recipient was named before in this LMTP transaction; please send it in another mail',
  },
  stranger: {
    code: 554,
    status: '5.7.1',
    text: 'LMTP is for programs on this machine and for smtp.trustedRelays',
    closesConnection: true,
  },
  size: { code: 552, status: '5.3.4', text: 'Mail exceeds the SIZE of the EHLO reply (limits.advertisedSize)' },
  submissionSize: { code: 552, status: '5.3.4', text: 'Mail exceeds the SIZE of the EHLO reply (submission.mailBytes)' },
  mails: {
    code: 421,
    status: '4.7.0',
    text: 'Too many mails on this connection, please open another one (limits.mailsPerConnection)',
    closesConnection: true,
  },
  commands: { code: 421, status: '4.7.0', text: 'Too many commands without a mail (limits.commandsBetweenMails)', closesConnection: true },
  errors: { code: 421, status: '4.7.0', text: 'Too many refused commands (limits.errorsPerConnection)', closesConnection: true },
  connections: {
    code: 421,
    status: '4.3.2',
    text: 'Too many connections, please try again later (limits.connections)',
    closesConnection: true,
  },
  evicted: {
    code: 421,
    status: '4.3.2',
    text: 'Too many connections, and this one was idle; please connect again (limits.connections)',
    closesConnection: true,
  },
  peerConnections: {
    code: 421,
    status: '4.7.0',
    text: 'Too many connections from your address (limits.connectionsPerPeer)',
    closesConnection: true,
  },
  networkConnections: {
    code: 421,
    status: '4.7.0',
    text: 'Too many connections from your network (limits.connectionsPerNetwork)',
    closesConnection: true,
  },
  allocationConnections: {
    code: 421,
    status: '4.7.0',
    text: 'Too many connections from your IPv6 /48 (limits.connectionsPerAllocation)',
    closesConnection: true,
  },
  peerMails: {
    code: 421,
    status: '4.7.0',
    text: 'Too many mails from your address in one minute (limits.mailsPerPeerMinute)',
    closesConnection: true,
  },
  idle: { code: 421, status: '4.4.2', text: 'Idle for too long (limits.idleSeconds)', closesConnection: true },
  slowCommand: { code: 421, status: '4.4.2', text: 'Command took too long to arrive (limits.commandSeconds)', closesConnection: true },
  stress: {
    code: 421,
    status: '4.4.2',
    text: 'Server is busy and no command arrived in time (limits.stressSeconds)',
    closesConnection: true,
  },
  longData: { code: 421, status: '4.4.2', text: 'Mail took too long to arrive (limits.dataSeconds)', closesConnection: true },
  slowData: { code: 421, status: '4.4.2', text: 'Mail arrived too slowly (limits.dataBytesPerSecond)', closesConnection: true },
  early: { code: 554, status: '5.5.0', text: 'Data received before the greeting', closesConnection: true },
  earlyPipelining: { code: 554, status: '5.5.0', text: 'Data received before the reply to EHLO', closesConnection: true },
  bodyBeforeData: { code: 554, status: '5.5.0', text: 'Mail data received after a refused DATA', closesConnection: true },
  proxy: {
    code: 554,
    status: '5.7.1',
    text: 'The PROXY protocol is accepted from listed peers only (smtp.proxyPeers)',
    closesConnection: true,
  },
  badProxy: {
    code: 554,
    status: '5.7.1',
    text: 'A peer listed in smtp.proxyPeers must begin with a valid PROXY header',
    closesConnection: true,
  },
  bare: { code: 500, status: '5.5.2', text: 'A command must end with CR LF and contain no other CR, LF or NUL; command ignored' },
  long: { code: 500, status: '5.5.2', text: 'Command too long, ignored (limits.commandLength)' },
  bdat: { code: 502, status: '5.5.1', text: 'BDAT is not supported; use DATA', closesConnection: true },
  http: { code: 554, status: '5.5.0', text: 'This is SMTP, not HTTP', closesConnection: true },
  signIn: { code: 530, status: '5.7.0', text: 'Authentication required, after STARTTLS: user apiUser or apiUser#labelId, password apiKey' },
  wrongKey: { code: 535, status: '5.7.8', text: 'Invalid apiUser or apiKey' },
  wrongKeys: {
    code: 421,
    status: '4.7.0',
    text: 'Too many failed sign-ins for this user from your address; wait a minute (limits.failedSignInsPerName)',
    closesConnection: true,
  },
  clientWrongKeys: {
    code: 421,
    status: '4.7.0',
    text: 'Too many failed sign-ins from your address; wait a minute (limits.failedSignInsPerClient)',
    closesConnection: true,
  },
  badRecipient: { code: 550, status: '5.1.3', text: 'Invalid recipient address' },
  noSender: { code: 554, status: '5.6.0', text: 'A mail must have one From field with one address' },
  ambiguousSender: {
    code: 550,
    status: '5.6.0',
    text: 'Mail programs could read From, Sender or Resent-From differently; write one address as "Name" <local@domain>',
  },
  largeHeader: { code: 554, status: '5.3.4', text: 'The header of the mail exceeds 256 KiB, not counting X-SMTPAPI' },
  extension: {
    code: 554,
    status: '5.6.0',
    text: 'X-SMTPAPI is not valid JSON or base64-encoded JSON, or its values do not match its recipients',
  },
  manySeparate: { code: 554, status: '5.5.3', text: 'X-SMTPAPI names more than 100 recipients' },
  sendHeader: {
    code: 554,
    status: '5.6.0',
    text: 'X-Bounced-Send-At needs one time, such as 2026-12-01T09:00:00+01:00, not too far ahead (submission.sendAtDays); X-Bounced-Priority is transactional or batch',
  },
  tooGrown: { code: 554, status: '5.3.4', text: 'Mail is too large after substitution of its variables' },
  noLabel: { code: 554, status: '5.7.0', text: 'The label in the user name does not exist' },
  notYourDomain: {
    code: 550,
    status: '5.7.1',
    text: 'The account is not allowed to send from a domain in From, Sender or Resent-From (senderDomains)',
  },
  quota: { code: 452, status: '4.7.0', text: 'Daily recipient limit of the account reached (submission.recipientsPerDay)' },
} as const satisfies Record<string, SmtpRefusal>

export type RefusalName = keyof typeof REFUSALS

/** Our refusal for each limit reply of smtp-server. The library's other replies concern a single faulty command and are sent unchanged. */
const LIBRARY_REFUSALS = {
  idleTimeout: 'idle',
  tooManyRecipients: 'recipients',
  messageTooLarge: 'size',
  tooManyUnknownCommands: 'errors',
  httpRequest: 'http',
} as const satisfies Record<keyof typeof LIBRARY_REPLIES, RefusalName>

/** Returns the text of a refusal on the wire, without the basic code. */
export function refusalTextOf(name: RefusalName): string {
  return `${REFUSALS[name].status} ${REFUSALS[name].text}`
}

const NAME_BY_TEXT: ReadonlyMap<string, RefusalName> = new Map(namesOf(REFUSALS).map((name) => [refusalTextOf(name), name]))

const NAMES_BY_PREFIX: readonly (readonly [prefix: string, name: RefusalName])[] = namesOf(LIBRARY_REFUSALS).map((reply) => [
  LIBRARY_REPLIES[reply],
  LIBRARY_REFUSALS[reply],
])

/** Checked cast: the tables above are literals without further keys. */
function namesOf<Name extends string>(table: Readonly<Record<Name, unknown>>): readonly Name[] {
  return Object.keys(table) as Name[]
}

/** Returns the refusal that a reply text belongs to, ours or the library's; null for a reply about a single command. */
export function findRefusal(text: string): RefusalName | null {
  return NAME_BY_TEXT.get(text) ?? NAMES_BY_PREFIX.find(([prefix]) => text.startsWith(prefix))?.[1] ?? null
}

/** Creates an error that smtp-server's handlers send with our code and text. */
export function createRefusalError(name: RefusalName): Error & { responseCode: number } {
  return Object.assign(new Error(refusalTextOf(name)), { responseCode: REFUSALS[name].code })
}

/** Returns the complete reply line, for a refusal that is sent before a session exists. */
export function refusalLineOf(name: RefusalName): string {
  return `${REFUSALS[name].code} ${refusalTextOf(name)}\r\n`
}

/** An enhanced status code, or SendCloud's text for an accepted mail. */
const ENHANCED_STATUS = /^(?:[245]\.\d{1,3}\.\d{1,3} |#[a-z2-7]+m#Queued$)/

/** Returns whether a reply must not get an enhanced status code in front: it has one, or clients parse the text as it is. */
export function hasEnhancedStatus(text: unknown): boolean {
  return typeof text === 'string' && ENHANCED_STATUS.test(text)
}
