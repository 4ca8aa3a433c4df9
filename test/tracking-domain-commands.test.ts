/**
 * tracking-domain-commands.test - what the commands say about the tracking domain of an account, with a name server of the test
 */
import { execFile } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { API_USER, childEnvironment, makeTemporaryFolder, MASTER_KEY } from './support/daemon.ts'

const CLI = join(import.meta.dirname, '../src/cli.ts')
const records = new Map<string, string>()
const data = makeTemporaryFolder()
let dns: Socket
let env: Record<string, string>

/** A name as labels (RFC 1035 §3.1). */
const encodeName = (name: string): Buffer =>
  Buffer.concat([...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])), Buffer.of(0)])

function answer(query: Buffer): Buffer {
  const end = query.indexOf(0, 12) + 5
  const question = query.subarray(12, end)
  const labels: string[] = []
  for (let at = 0; question[at] !== 0; at += (question[at] ?? 0) + 1)
    labels.push(question.toString('latin1', at + 1, at + 1 + (question[at] ?? 0)))
  const target = question.readUInt16BE(question.length - 4) === 5 ? records.get(labels.join('.').toLowerCase()) : undefined
  const header = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80, 0, 1, 0, target === undefined ? 0 : 1, 0, 0, 0, 0])
  if (target === undefined) return Buffer.concat([header, question])
  const name = encodeName(target)
  return Buffer.concat([header, question, Buffer.from([0xc0, 0x0c, 0, 5, 0, 1, 0, 0, 0, 60, 0, name.length]), name])
}

beforeAll(async () => {
  dns = createSocket('udp4')
  dns.on('message', (query, { port, address }) => dns.send(answer(query), port, address))
  await new Promise<void>((resolve) => dns.bind(0, '127.0.0.1', resolve))
  env = {
    ...childEnvironment(),
    BOUNCED_DATA: data,
    BOUNCED_MASTER_KEY: MASTER_KEY,
    BOUNCED_API_USER: API_USER,
    BOUNCED_DNS_SERVERS: `127.0.0.1:${dns.address().port}`,
    BOUNCED_DNS_TIMEOUT_SECONDS: '5',
    BOUNCED_TRACKING_DOMAIN: 't.example.com',
    BOUNCED_RETURN_PATH_DOMAIN: 'bounce.example.com',
    BOUNCED_FEEDBACK_DOMAIN: 'fbl.example.com',
  }
  await run('account', 'add', 'ann')
})
afterAll(() => void dns.close())

async function run(...args: readonly string[]): Promise<string> {
  const settle = (outcome: unknown): string =>
    `${String(Reflect.get(Object(outcome), 'stdout'))}${String(Reflect.get(Object(outcome), 'stderr'))}`
  return promisify(execFile)(process.execPath, [CLI, ...args], { env, cwd: data }).then(settle, settle)
}

test('set and doctor say what to publish, and that it is right', async () => {
  const set = ['account', 'set', 'ann', 'trackingDomain=go.shop.example']
  expect(await run(...set)).toMatch(
    /tracking domain go\.shop\.example: .*publish "go\.shop\.example\. CNAME t\.example\.com\."\nlinks of new mails: https:\/\/t\.example\.com/,
  )
  records.set('go.shop.example', 't.example.com')
  expect(await run(...set)).toMatch(/tracking domain go\.shop\.example: verified\nlinks of new mails: https:\/\/go\.shop\.example/)
  expect(await run('doctor', 'shop.example', '--account', 'ann')).toMatch(/ok +tracking +go\.shop\.example leads to t\.example\.com/)
})
