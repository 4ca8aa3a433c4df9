/**
 * provider-server - one provider as a real SMTP server on loopback
 *
 * What it does is decided by simulator/provider-model, as in a simulation; here it is only said aloud: refusals of the sender or the recipient at RCPT,
 * of the content after the mail, a line that drops, a server that is not there. Where the mail comes from is what the PROXY header says.
 * What it takes may come back: a report, a complaint.
 *
 * See also: simulator/provider-model (what it thinks), smtp-client/transport (who calls), simulator/smtp/provider-network.
 */
import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerAddress, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import type { Certificate } from '../../net/certificate.ts'
import { type Met, meet, type Provider } from '../provider-model.ts'
import { createLetterbox, type Letter, personOf } from './retry-memory.ts'
import type { Taken } from './ndr-builder.ts'

export type HouseWish = {
  readonly provider: Provider
  readonly certificate: Certificate | null
  /** The laboratory's time, in milliseconds; and how long a span of it is in ours. */
  readonly now: () => number
  readonly spanOf: (milliseconds: number) => number
  /** It has taken a mail, and this is what comes of it. */
  readonly onTaken: (taken: Taken, met: Met) => void
  readonly count: (what: 'attempts' | 'taken' | 'refused' | 'dropped') => void
}

export type House = { readonly port: number; readonly close: () => Promise<void> }

/** Headers of a mail that goes back are at most so many bytes. */
const HEAD_BYTES = 65_536

type Visit = { met: Met; readonly from: string; readonly recipient: string; readonly envelopeId: string | null }

/** Opens its door; resolves once it listens. */
export async function openHouse(wish: HouseWish): Promise<House> {
  const { provider, certificate } = wish
  const visits = new Map<string, Visit>()
  const guests = new Map<string, number>()
  const letterbox = createLetterbox()
  const server = new SMTPServer({
    name: provider.file.mx,
    banner: provider.file.title,
    useProxy: true,
    authOptional: true,
    disableReverseLookup: true,
    hideENHANCEDSTATUSCODES: true,
    hideDSN: false,
    disabledCommands: ['AUTH', ...(certificate === null ? ['STARTTLS'] : [])],
    lenientAddressParsing: true,
    maxAllowedUnauthenticatedCommands: false,
    closeTimeout: 100,
    logger: false,
    ...certificate,
    onConnect: (session, done) => {
      guests.set(session.remoteAddress, (guests.get(session.remoteAddress) ?? 0) + 1)
      if (!isDown(wish)) done()
      // Nobody answers: the caller gives up, or the line is cut.
      else if (downAs(wish) === 'connect') hangUp(server, session)
    },
    onClose: (session) => {
      visits.delete(session.id)
      const left = (guests.get(session.remoteAddress) ?? 1) - 1
      if (left > 0) guests.set(session.remoteAddress, left)
      else guests.delete(session.remoteAddress)
    },
    onRcptTo: (address, session, done) => {
      const visit = knock(wish, letterbox.bring, { address, session, connections: guests.get(session.remoteAddress) ?? 1 })
      visits.set(session.id, visit)
      const { met } = visit
      wish.count('attempts')
      if (met.error !== null) {
        wish.count('dropped')
        setTimeout(() => hangUp(server, session), wish.spanOf(met.took))
      } else if (isSaidAtOnce(wish, visit)) {
        wish.count('refused')
        setTimeout(() => done(replyError(met.text ?? '')), wish.spanOf(met.took))
      } else done()
    },
    onData: (stream, session, done) => {
      void takeMail(wish, { stream, session, visit: visits.get(session.id) }, done)
    },
  })
  server.on('error', () => {})
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.server.address() as AddressInfo // it listens on TCP
  return { port, close: () => new Promise((resolve) => server.close(() => resolve())) }
}

const isDown = (wish: HouseWish): boolean => downAs(wish) !== null

function downAs({ provider, now }: HouseWish): 'connect' | 'timeout' | null {
  const { file, weather } = provider
  const at = now()
  const how = file.unreachable ?? weather.outages.find((each) => each.from <= at && at < each.to)?.how
  return how === 'connect' || how === 'dns' ? 'connect' : how === 'timeout' ? 'timeout' : null
}

/** The line is cut without a word. */
function hangUp(server: SMTPServer, { id }: SMTPServerSession): void {
  for (const connection of server.connections) if (connection.session.id === id) connection._socket.destroy()
}

type Caller = { readonly address: SMTPServerAddress; readonly session: SMTPServerSession; readonly connections: number }

function knock({ provider, now }: HouseWish, bring: (from: string, to: string, at: number) => Letter, caller: Caller): Visit {
  const { address, session, connections } = caller
  const { mailFrom } = session.envelope
  const from = mailFrom === false ? '' : mailFrom.address
  const args = mailFrom === false || mailFrom.args === false ? {} : mailFrom.args
  const recipient = address.address
  const at = now()
  const letter = bring(from, recipient, at)
  const met = meet(provider, {
    person: personOf(recipient),
    mail: letter.number,
    n: letter.attempts,
    at,
    firstAt: letter.firstAt,
    ip: session.remoteAddress,
    senderDomain: domainOf(from),
    recipient,
    domain: domainOf(recipient),
    id: `${letter.number}-${letter.attempts}`,
    connections,
    mailboxes: provider.file.mailboxes,
  })
  return { met, from, recipient, envelopeId: typeof args['ENVID'] === 'string' ? args['ENVID'] : null }
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

/** What is wrong with a mail's content shows when it has come. */
function isSaidAtOnce({ provider }: HouseWish, { met }: Visit): boolean {
  if (met.text === null || met.text.startsWith('2')) return false
  const content = provider.file.answer['content']?.text ?? ''
  return content === '' || !met.text.startsWith(content.slice(0, content.indexOf('{') < 0 ? 40 : content.indexOf('{')))
}

/** smtp-server writes the code, then the message. */
const replyError = (text: string): Error => Object.assign(new Error(text.slice(4)), { responseCode: Number(text.slice(0, 3)) })

type Coming = { readonly stream: SMTPServerDataStream; readonly session: SMTPServerSession; readonly visit: Visit | undefined }
type Done = (error?: Error | null, message?: string) => void

async function takeMail(wish: HouseWish, { stream, session, visit }: Coming, done: Done): Promise<void> {
  const head = await readHead(stream)
  if (visit === undefined) return done(replyError('451 4.3.0 Try again'))
  const { met, from, recipient, envelopeId } = visit
  const text = met.text ?? '451 4.3.0 Try again'
  await new Promise((resolve) => setTimeout(resolve, wish.spanOf(met.took)))
  if (!text.startsWith('2')) {
    wish.count('refused')
    return done(replyError(text))
  }
  wish.count('taken')
  wish.onTaken({ from, recipient, head, takenAt: Date.now(), envelopeId, ip: session.remoteAddress }, met)
  done(null, text.slice(4))
}

async function readHead(stream: SMTPServerDataStream): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    if (size < HEAD_BYTES && Buffer.isBuffer(chunk)) chunks.push(chunk)
    size += Buffer.isBuffer(chunk) ? chunk.length : 0
  }
  const text = Buffer.concat(chunks).subarray(0, HEAD_BYTES).toString('utf8')
  const end = text.search(/\r?\n\r?\n/)
  return end < 0 ? text : text.slice(0, end)
}
