/**
 * receiver - a webhook receiver on a free port, as good or as bad as a test wants it
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

export type Got = { readonly method: string; readonly headers: IncomingMessage['headers']; readonly body: string }
export type Answering = (got: Got, response: ServerResponse, count: number) => void

export type Receiver = { readonly url: string; readonly got: Got[]; answer: Answering; readonly close: () => Promise<void> }

export const say =
  (status: number, text = ''): Answering =>
  (_, response) => {
    response.writeHead(status).end(text)
  }

/** Answers 200 until `answer` is replaced. */
export async function startReceiver(answer: Answering = say(200)): Promise<Receiver> {
  const got: Got[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const one = { method: request.method ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() }
      got.push(one)
      receiver.answer(one, response, got.length)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const close = (): Promise<void> => {
    server.closeAllConnections()
    return new Promise((resolve) => {
      server.close(() => resolve())
    })
  }
  const receiver: Receiver = { url: `http://127.0.0.1:${port}/hook`, got, answer, close }
  return receiver
}
