/**
 * refusals - our refusals as a table, each with its own enhanced status code and the setting that raises its limit
 *
 * smtp-server has refusals of its own, which name no limit and take the enhanced code from the basic one (550 → 5.1.1 would call a refused relay
 * an unknown user). `refusalOf` knows them by their words, so that every refusal that leaves us stands in this table.
 *
 * RFC 2034, RFC 3463, RFC 5321 §4.2. See also: smtp-server/connection (who says them), docs/smtp.md.
 */

/** `ends`: the connection is closed behind it. */
export type SmtpRefusal = { readonly code: number; readonly status: string; readonly text: string; readonly closesConnection?: boolean }

/** Every refusal. Its key is the `reason` that bounced_smtp_refused_total counts. */
export const REFUSALS = {
  relay: { code: 550, status: '5.7.1', text: 'Relaying denied: this server takes reports for its own domains only' },
  storeBusy: { code: 451, status: '4.3.0', text: 'The store cannot be reached, please try again later' },
  budget: { code: 452, status: '4.3.1', text: 'Too much mail in flight, please try again later (limits.bodyBudget)' },
  stalled: {
    code: 421,
    status: '4.4.2',
    text: 'Your mail stood still while memory was short, please try again (limits.bodyBudget)',
    closesConnection: true,
  },
  cut: { code: 554, status: '5.7.1', text: 'The operator of this server takes no mail from your address', closesConnection: true },
  closing: { code: 421, status: '4.3.2', text: 'Closing, please try again', closesConnection: true },
  recipients: {
    code: 452,
    status: '4.5.3',
    text: 'Too many recipients, please send the others in another mail (limits.recipientsPerMail)',
  },
  size: { code: 552, status: '5.3.4', text: 'Your mail is larger than SIZE in our EHLO answer (limits.advertisedSize)' },
  submissionSize: { code: 552, status: '5.3.4', text: 'Your mail is larger than SIZE in our EHLO answer (submission.mailBytes)' },
  mails: {
    code: 421,
    status: '4.7.0',
    text: 'Enough mails on this connection, please open another (limits.mailsPerConnection)',
    closesConnection: true,
  },
  commands: { code: 421, status: '4.7.0', text: 'Too many commands without a mail (limits.commandsBetweenMails)', closesConnection: true },
  errors: { code: 421, status: '4.7.0', text: 'Too many refused commands (limits.errorsPerConnection)', closesConnection: true },
  connections: {
    code: 421,
    status: '4.3.2',
    text: 'Too many connections in all, please try again later (limits.connections)',
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
  peerMails: {
    code: 421,
    status: '4.7.0',
    text: 'Too many mails from your address in one minute (limits.mailsPerPeerMinute)',
    closesConnection: true,
  },
  idle: { code: 421, status: '4.4.2', text: 'You were silent for too long (limits.idleSeconds)', closesConnection: true },
  slowCommand: { code: 421, status: '4.4.2', text: 'Your command took too long to come (limits.commandSeconds)', closesConnection: true },
  longData: { code: 421, status: '4.4.2', text: 'Your mail took too long to come (limits.dataSeconds)', closesConnection: true },
  slowData: { code: 421, status: '4.4.2', text: 'Your mail came too slowly (limits.dataBytesPerSecond)', closesConnection: true },
  early: { code: 554, status: '5.5.0', text: 'You spoke before the greeting', closesConnection: true },
  earlyPipelining: { code: 554, status: '5.5.0', text: 'You went on before the answer to EHLO', closesConnection: true },
  bodyBeforeData: { code: 554, status: '5.5.0', text: 'You sent a mail behind a DATA that was refused', closesConnection: true },
  proxy: { code: 554, status: '5.7.1', text: 'The PROXY protocol is for listed peers only (smtp.proxyPeers)', closesConnection: true },
  badProxy: {
    code: 554,
    status: '5.7.1',
    text: 'This address is listed in smtp.proxyPeers and must begin with a PROXY header',
    closesConnection: true,
  },
  bare: { code: 500, status: '5.5.2', text: 'A command ends with CR LF and holds no other CR, LF or NUL; yours was not read' },
  long: { code: 500, status: '5.5.2', text: 'Your command is too long and was not read (limits.commandLength)' },
  bdat: { code: 502, status: '5.5.1', text: 'BDAT is not offered here; use DATA', closesConnection: true },
  http: { code: 554, status: '5.5.0', text: 'This is SMTP, not HTTP', closesConnection: true },
  signIn: { code: 530, status: '5.7.0', text: 'Sign in first, behind STARTTLS: user apiUser or apiUser#labelId, password apiKey' },
  wrongKey: { code: 535, status: '5.7.8', text: 'apiUser and apiKey do not fit' },
  wrongKeys: {
    code: 421,
    status: '4.7.0',
    text: 'Too many failed sign-ins of this name from your address; wait a minute',
    closesConnection: true,
  },
  badRecipient: { code: 550, status: '5.1.3', text: 'This is no address that one can send to' },
  noSender: { code: 554, status: '5.6.0', text: 'A mail has one From field, with one address' },
  largeHeader: { code: 554, status: '5.3.4', text: 'The fields of your mail are larger than 256 KiB, X-SMTPAPI not counted' },
  extension: { code: 554, status: '5.6.0', text: 'X-SMTPAPI is neither JSON nor base64 of it, or its values do not fit its recipients' },
  manySeparate: { code: 554, status: '5.5.3', text: 'X-SMTPAPI names more than 100 recipients' },
  tooGrown: { code: 554, status: '5.3.4', text: 'With its variables put in, the mail is too large' },
  noLabel: { code: 554, status: '5.7.0', text: 'No label has the number behind your apiUser' },
  notYourDomain: { code: 550, status: '5.7.1', text: 'The account may not send from the domain in From (senderDomains)' },
  quota: { code: 452, status: '4.7.0', text: 'The account has sent what it may in a day (submission.recipientsPerDay)' },
} as const satisfies Record<string, SmtpRefusal>

export type RefusalName = keyof typeof REFUSALS

/** smtp-server's refusals by how they begin. Those that are not here say what is wrong with one command, and stay as they are. */
const LIBRARY_TEXTS: readonly (readonly [words: string, name: RefusalName])[] = [
  ['Timeout - closing connection', 'idle'],
  ['Error: too many recipients', 'recipients'],
  ['Error: message exceeds fixed maximum message size', 'size'],
  ['Error: too many unrecognized commands', 'errors'],
  ['HTTP requests not allowed', 'http'],
]

/** The words of a refusal on the wire, without the basic code. */
export function refusalTextOf(name: RefusalName): string {
  return `${REFUSALS[name].status} ${REFUSALS[name].text}`
}

const NAME_BY_TEXT: ReadonlyMap<string, RefusalName> = new Map(refusalNames().map((name) => [refusalTextOf(name), name]))

function refusalNames(): readonly RefusalName[] {
  // Checked by `satisfies` above: the keys of a literal.
  return Object.keys(REFUSALS) as RefusalName[]
}

/** Which refusal of the table these words are, ours or the library's; null for an answer about one command. */
export function findRefusal(text: string): RefusalName | null {
  return NAME_BY_TEXT.get(text) ?? LIBRARY_TEXTS.find(([prefix]) => text.startsWith(prefix))?.[1] ?? null
}

/** An error as smtp-server's handlers answer it, with our code and words. */
export function createRefusalError(name: RefusalName): Error & { responseCode: number } {
  return Object.assign(new Error(refusalTextOf(name)), { responseCode: REFUSALS[name].code })
}

/** The whole line of a refusal that is said before there is a session. */
export function refusalLineOf(name: RefusalName): string {
  return `${REFUSALS[name].code} ${refusalTextOf(name)}\r\n`
}

/** With a status of its own, or in the vendor's words for a mail that was taken. */
const ENHANCED_STATUS = /^(?:[245]\.\d{1,3}\.\d{1,3} |#[a-z2-7]+m#Queued$)/

/** Whether a text must not get an enhanced status code in front: it has one, or clients read it as it stands. */
export function hasEnhancedStatus(text: unknown): boolean {
  return typeof text === 'string' && ENHANCED_STATUS.test(text)
}
