/**
 * alert-mailer.test - a smart host that never finishes does not keep an alert
 */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { createAlertMailer } from '../../src/mail-auth/alert-mailer.ts'

const ALERT = { id: '1', to: ['ops@example.net'], subject: 's', text: 't' }

test.each([
  ['says nothing', (): void => undefined],
  [
    'sends a greeting that never ends',
    (socket: Socket): void => {
      const timer = setInterval(() => socket.write('220-wait\r\n'), 5)
      socket.on('close', () => clearInterval(timer))
    },
  ],
])('a smart host that %s: the mail is not accepted, and its connection is closed', async (_what, serve) => {
  const closed = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('close', () => closed.resolve())
    socket.resume()
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const mailer = createAlertMailer({
    smarthostUrl: `smtp://127.0.0.1:${port}`,
    from: 'alerts@example.com',
    log: pino({ level: 'silent' }),
    limitMs: 100,
  })
  expect(await mailer.send(ALERT)).toBe(false)
  await closed.promise
  mailer.close()
  server.close()
  await once(server, 'close')
})

test('closing ends the mail that is being sent', async () => {
  const connected = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.resume()
    connected.resolve()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const mailer = createAlertMailer({ smarthostUrl: `smtp://127.0.0.1:${port}`, from: 'alerts@example.com', log: pino({ level: 'silent' }) })
  const sent = mailer.send(ALERT)
  await connected.promise
  mailer.close()
  expect(await sent).toBe(false)
  server.close()
  await once(server, 'close')
})
