/**
 * smtp-server-adapter.test - the private members of smtp-server that we rely on exist with the expected types
 *
 * After an upgrade of smtp-server: read the changes of each member that fails here, adapt src/smtp-server/smtp-server-adapter.ts, then set
 * CHECKED_VERSION. The tests of the protocol (protocol-edges.test, listener.test) prove the behaviour.
 */
import { globSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { SMTPServer } from 'smtp-server'
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { expect, test } from 'vitest'
import { LIBRARY_REPLIES } from '../../src/smtp-server/smtp-server-adapter.ts'

const CHECKED_VERSION = '3.21.6'

const SRC = join(import.meta.dirname, '../../src')
const ADAPTER = readFileSync(join(SRC, 'smtp-server/smtp-server-adapter.ts'), 'utf8')
const require = createRequire(import.meta.url)

type Shape = { readonly owner: 'connection' | 'parser'; readonly member: string; readonly isExpected: (value: unknown) => boolean }

const isFunction = (value: unknown): boolean => typeof value === 'function'
const isBoolean = (value: unknown): boolean => typeof value === 'boolean'

/** Each member as a new session has it, before any command. */
const MEMBERS: readonly Shape[] = [
  { owner: 'connection', member: '_createParser', isExpected: isFunction },
  { owner: 'connection', member: '_setListeners', isExpected: isFunction },
  { owner: 'connection', member: '_isSupported', isExpected: isFunction },
  { owner: 'connection', member: '_onCommand', isExpected: isFunction },
  { owner: 'connection', member: '_server', isExpected: (value) => value instanceof SMTPServer },
  { owner: 'connection', member: '_socket', isExpected: (value) => value instanceof Socket },
  { owner: 'connection', member: '_parser', isExpected: (value) => value === false || value instanceof SMTPStream },
  { owner: 'connection', member: '_dataStream', isExpected: (value) => value === false || value === null },
  { owner: 'connection', member: '_ready', isExpected: (value) => value === false },
  { owner: 'connection', member: '_closing', isExpected: (value) => value === false },
  { owner: 'connection', member: '_closed', isExpected: (value) => value === false },
  { owner: 'connection', member: '_handlerPending', isExpected: isBoolean },
  { owner: 'connection', member: '_unrecognizedCommands', isExpected: (value) => value === 0 },
  { owner: 'parser', member: '_write', isExpected: isFunction },
  { owner: 'parser', member: '_countDataBytes', isExpected: isFunction },
  { owner: 'parser', member: '_endDataMode', isExpected: isFunction },
  { owner: 'parser', member: '_dataMode', isExpected: (value) => value === false },
  { owner: 'parser', member: '_dataStream', isExpected: (value) => value === null },
]

/** Public members that the subclasses override or read. */
const PUBLIC_MEMBERS: readonly Shape[] = [
  { owner: 'connection', member: 'send', isExpected: isFunction },
  { owner: 'connection', member: 'close', isExpected: isFunction },
  { owner: 'connection', member: 'init', isExpected: isFunction },
  { owner: 'connection', member: 'connectionReady', isExpected: isFunction },
  { owner: 'connection', member: 'secure', isExpected: isBoolean },
  { owner: 'connection', member: 'remoteAddress', isExpected: (value) => typeof value === 'string' },
  { owner: 'parser', member: 'startDataMode', isExpected: isFunction },
  { owner: 'parser', member: 'continue', isExpected: isFunction },
  { owner: 'parser', member: 'isClosed', isExpected: (value) => value === false },
  { owner: 'parser', member: 'dataBytes', isExpected: (value) => value === 0 },
]

function createOwners(): Readonly<Record<Shape['owner'], object>> {
  const connection = new SMTPConnection(new SMTPServer({ logger: false }), new Socket(), { remoteAddress: '192.0.2.1' })
  return { connection, parser: new SMTPStream() }
}

test(`the installed smtp-server is ${CHECKED_VERSION}, the version whose private members were checked`, () => {
  const manifest: unknown = JSON.parse(readFileSync(require.resolve('smtp-server/package.json'), 'utf8'))
  expect(manifest).toMatchObject({ version: CHECKED_VERSION })
})

test.each([...MEMBERS, ...PUBLIC_MEMBERS])('smtp-server $owner has $member', ({ owner, member, isExpected }) => {
  const value: unknown = Reflect.get(createOwners()[owner], member)
  expect(isExpected(value), `${member} is ${String(value)}`).toBe(true)
})

test('a connection creates its parser by the overridable method', () => {
  class WithParser extends SMTPConnection {
    override _createParser(): SMTPStream {
      return Object.assign(super._createParser(), { isOurs: true })
    }
  }
  const connection = new WithParser(new SMTPServer({ logger: false }), new Socket(), { remoteAddress: '192.0.2.1' })
  expect(connection._parser).toMatchObject({ isOurs: true })
})

test('the table lists every private member that the adapter uses', () => {
  const used = [...ADAPTER.matchAll(/(?:\b(?:this|super|_parser)\.|override )(_[a-zA-Z]+)/g)].map(([, member]) => member)
  expect(new Set(used)).toEqual(new Set(MEMBERS.map(({ member }) => member)))
})

test('no other file of the folder uses a private member, and no other folder loads the modules that have them', () => {
  const others = globSync('**/*.ts', { cwd: SRC }).filter((file) => file !== 'smtp-server/smtp-server-adapter.ts')
  const uses = others.filter((file) => {
    const text = readFileSync(join(SRC, file), 'utf8')
    const importsValue = /^import \{(?! type)[^}]*\} from 'smtp-server\/lib\//m.test(text)
    return importsValue || (file.startsWith('smtp-server/') && /(?:\.|override )_[a-zA-Z]/.test(text))
  })
  expect(uses).toEqual([])
})

test.each(Object.entries(LIBRARY_REPLIES))('smtp-server still sends the reply %s', (_name, text) => {
  const source = readFileSync(require.resolve('smtp-server/lib/smtp-connection.js'), 'utf8')
  expect(source).toContain(`'${text}`)
})
