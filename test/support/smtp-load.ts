/**
 * smtp-load - an SMTP client that sends many mails over many connections and records the reply to each
 *
 * Uses sockets instead of nodemailer, so that the client needs little CPU compared to the server, and so that the list of replies is exact
 * when the server is killed.
 */
import { connect, type Socket } from 'node:net'

export type LoadMail = { readonly id: string; readonly from: string; readonly to: string; readonly raw: string }

export type LoadOptions = {
  readonly host: string
  readonly port: number
  readonly connections: number
  /** Returns the next mail, at once or when it is due; null when there are no more. All connections call it. */
  readonly next: () => LoadMail | null | Promise<LoadMail | null>
  /** Mails per connection. */
  readonly mailsPerConnection: number
  readonly onReply: (mail: LoadMail, code: number) => void
}

/** Runs until `next` returns null or the server disconnects. Resolves to the mails without a reply. */
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

/** Connects, waits for the greeting and sends EHLO. Resolves to null when the server does not accept. */
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

/** Returns a function that reads the next reply code. It resolves to null once the socket is closed. */
function readReplyCodes(socket: Socket): () => Promise<number | null> {
  const codes: (number | null)[] = []
  let resolveNext: ((code: number | null) => void) | null = null
  let buffer = ''
  let isClosed = false
  const push = (code: number | null): void => {
    if (resolveNext === null) codes.push(code)
    else {
      const resolve = resolveNext
      resolveNext = null
      resolve(code)
    }
  }
  socket.on('data', (chunk) => {
    buffer += chunk.toString('latin1')
    const lines = buffer.split('\r\n')
    buffer = lines.pop() ?? ''
    for (const line of lines) if (line[3] !== '-') push(Number(line.slice(0, 3)))
  })
  const onClosed = (): void => {
    if (isClosed) return
    isClosed = true
    push(null)
  }
  socket.on('error', onClosed)
  socket.on('close', onClosed)
  return () => {
    const code = codes.shift()
    if (code !== undefined) return Promise.resolve(code)
    if (isClosed) return Promise.resolve(null)
    return new Promise((resolve) => {
      resolveNext = resolve
    })
  }
}
