/**
 * lmtp-socket.test - the Unix socket of the LMTP listener over starts, kills and files that are in the way
 */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseListenTarget } from '../src/settings/lmtp.ts'
import { makeTemporaryFolder, startDaemon } from './support/daemon.ts'

const targets = [
  // setting                          target
  ['unix:/run/bounced/lmtp.sock',     { path: '/run/bounced/lmtp.sock' }],
  ['127.0.0.1:2424',                  { host: '127.0.0.1', port: 2424 }],
  ['[::1]:2424',                      { host: '::1', port: 2424 }],
  ['mx.example.com:0',                { host: 'mx.example.com', port: 0 }],
  ['unix:lmtp.sock',                  null],
  ['127.0.0.1',                       null],
  ['127.0.0.1:99999',                 null],
  ['',                                null],
] as const // prettier-ignore

test.each(targets)('lmtp.listen = %j is %j', (text, target) => expect(parseListenTarget(text)).toEqual(target))

/** The first line that a server sends. */
const greetingOf = (path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('data', (chunk: Buffer) => {
      socket.destroy()
      resolve(chunk.toString())
    })
    socket.once('error', reject)
  })

test('every local user may connect; a killed daemon leaves a socket that the next one replaces, an ended one leaves none', async () => {
  const path = join(makeTemporaryFolder(), 'lmtp.sock')
  const env = { BOUNCED_LMTP_LISTEN: `unix:${path}` }
  const first = await startDaemon({ env })
  expect(first.output()).toContain(` lmtp=${path} `)
  expect(statSync(path).mode & 0o777).toBe(0o666)
  expect(await greetingOf(path)).toMatch(/^220 \S+ LMTP/)
  await first.kill()
  expect(existsSync(path)).toBe(true)
  const second = await startDaemon({ data: first.data, env })
  expect(await greetingOf(path)).toMatch(/^220 /)
  await expect(startDaemon({ env })).rejects.toThrow(`another program listens on ${path}`)
  expect(await greetingOf(path)).toMatch(/^220 /)
  expect(await second.stop()).toBe(0)
  expect(existsSync(path)).toBe(false)
})

test('another kind of file, and a folder that is missing, stop the start; nothing is removed', async () => {
  const folder = makeTemporaryFolder()
  const path = join(folder, 'notes.txt')
  writeFileSync(path, 'mine')
  await expect(startDaemon({ env: { BOUNCED_LMTP_LISTEN: `unix:${path}` } })).rejects.toThrow('is not a socket')
  expect(readFileSync(path, 'utf8')).toBe('mine')
  await expect(startDaemon({ env: { BOUNCED_LMTP_LISTEN: `unix:${folder}/missing/lmtp.sock` } })).rejects.toThrow('cannot be opened')
  await expect(startDaemon({ env: { BOUNCED_LMTP_LISTEN: '2424' } })).rejects.toThrow('must be unix:/PATH or HOST:PORT')
})
