/**
 * receiver - a webhook receiver on a free port whose responses a test chooses
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

export type ReceivedRequest = { readonly method: string; readonly headers: IncomingMessage['headers']; readonly body: string }
export type Responder = (requests: ReceivedRequest, response: ServerResponse, count: number) => void

export type WebhookReceiver = {
  readonly url: string
  readonly requests: ReceivedRequest[]
  respond: Responder
  readonly close: () => Promise<void>
}

export const respondWith =
  (status: number, text = ''): Responder =>
  (_, response) => {
    response.writeHead(status).end(text)
  }

/** Responds 200 until `respond` is replaced. */
export async function startWebhookReceiver(respond: Responder = respondWith(200)): Promise<WebhookReceiver> {
  const requests: ReceivedRequest[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const received = { method: request.method ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() }
      requests.push(received)
      receiver.respond(received, response, requests.length)
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
  const receiver: WebhookReceiver = { url: `http://127.0.0.1:${port}/hook`, requests, respond, close }
  return receiver
}
