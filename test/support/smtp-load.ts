/**
 * smtp-load - a plain SMTP client that sends many mails over many connections, and knows which were answered 250
 *
 * Written on sockets and not on nodemailer, so that the client costs little beside the server it loads, and so that a server
 * that dies in the middle leaves an exact list of what it had answered.
 */
import { connect, type Socket } from 'node:net'

export type LoadMail = { readonly id: string; readonly from: string; readonly to: string; readonly raw: string }

export type LoadOptions = {
  readonly host: string
  readonly port: number
  readonly connections: number
  /** The next mail to send, at once or when its time has come; null when there are no more. Called by all connections in turn. */
  readonly next: () => LoadMail | null | Promise<LoadMail | null>
  /** Mails one connection carries before it is opened anew. */
  readonly mailsPerConnection: number
  readonly onReply: (mail: LoadMail, code: number) => void
}

/** Runs until `next` gives null or the server is gone. Resolves to the mails that had no answer. */
export async function sendLoad(options: LoadOptions): Promise<readonly LoadMail[]> {
  const unanswered: LoadMail[] = []
  await Promise.all(Array.from({ length: options.connections }, () => runConnection(options, unanswered)))
  return unanswered
}

async function runConnection(options: LoadOptions, unanswered: LoadMail[]): Promise<void> {
  for (let mail = await options.next(); mail !== null;) {
    const session = await openSession(options.host, options.port)
    if (session === null) {
      unanswered.push(mail)
      return
    }
    for (let sent = 0; mail !== null && sent < options.mailsPerConnection; sent++) {
      const code = await session.send(mail)
      if (code === null) {
        unanswered.push(mail)
        return
      }
      options.onReply(mail, code)
      mail = await options.next()
    }
    session.end()
  }
}

type Session = { readonly send: (mail: LoadMail) => Promise<number | null>; readonly end: () => void }

/** Connects, waits for the greeting and says EHLO. Null when the server is not there. */
async function openSession(host: string, port: number): Promise<Session | null> {
  const socket = connect({ host, port, noDelay: true })
  const read = readReplyCodes(socket)
  if ((await read()) !== 220) return null
  socket.write('EHLO load.example.com\r\n')
  if ((await read()) !== 250) return null
  return {
    send: async (mail) => {
      socket.write(`MAIL FROM:<${mail.from}>\r\nRCPT TO:<${mail.to}>\r\nDATA\r\n`)
      for (const wanted of [250, 250, 354]) {
        const code = await read()
        if (code !== wanted) return code
      }
      socket.write(`${mail.raw}\r\n.\r\n`)
      return read()
    },
    end: () => socket.end('QUIT\r\n'),
  }
}

/** A reader of reply codes; null for ever once the socket is gone. */
function readReplyCodes(socket: Socket): () => Promise<number | null> {
  const codes: (number | null)[] = []
  let waiting: ((code: number | null) => void) | null = null
  let buffer = ''
  let gone = false
  const push = (code: number | null): void => {
    if (waiting === null) codes.push(code)
    else {
      const answer = waiting
      waiting = null
      answer(code)
    }
  }
  socket.on('data', (chunk) => {
    buffer += chunk.toString('latin1')
    const lines = buffer.split('\r\n')
    buffer = lines.pop() ?? ''
    for (const line of lines) if (line[3] !== '-') push(Number(line.slice(0, 3)))
  })
  const onGone = (): void => {
    if (gone) return
    gone = true
    push(null)
  }
  socket.on('error', onGone)
  socket.on('close', onGone)
  return () => {
    const code = codes.shift()
    if (code !== undefined) return Promise.resolve(code)
    if (gone) return Promise.resolve(null)
    return new Promise((resolve) => {
      waiting = resolve
    })
  }
}
