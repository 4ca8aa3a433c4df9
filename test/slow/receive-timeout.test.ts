/**
 * receive-timeout.test - `bounced receive` beside a daemon that hangs: after ten seconds the MTA has its process back, and keeps the mail
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSocketAddress } from '../../src/net/daemon-socket.ts'
import { childEnvironment, makeTemporaryFolder } from '../support/daemon.ts'

const BIN = join(import.meta.dirname, '../..', 'bin/bounced.mjs')

test('a daemon that takes the mail and does not answer: 75', async () => {
  const data = makeTemporaryFolder()
  const server = createServer((socket) => socket.resume().on('error', () => undefined))
  await once(server.listen({ path: openSocketAddress(data).address }), 'listening')
  const env = { ...childEnvironment(), BOUNCED_DATA: data }
  const child = spawn(process.execPath, [BIN, 'receive', 'x@bounce.example.com'], { env, stdio: ['pipe', 'ignore', 'pipe'] })
  let message = ''
  child.stderr.on('data', (chunk: Buffer) => (message += chunk.toString()))
  child.stdin.end('Subject: x\n\nx\n')
  expect((await once(child, 'close'))[0]).toBe(75)
  expect(message).toContain('did not answer in time')
  server.close()
})
