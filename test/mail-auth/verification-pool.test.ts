/**
 * verification-pool.test - what remains of a mail whose time is over, and what a slow sender costs the others
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterEach, expect, test } from 'vitest'
import { createSignatureVerifier } from '../../src/mail-auth/signature-verifier.ts'
import type { MailToVerify } from '../../src/mail-auth/verify-signatures.ts'
import type { DnsLookup } from '../../src/net/dns.ts'

/** Short, but enough for a mail whose look-ups are answered, on a busy machine too. */
const LIMIT_MS = 1_500
const LONG_MS = 60_000
const NOW = Date.UTC(2026, 10, 20, 12)

/** The body hash is right, so the library asks for the key. */
const EMPTY_BODY_HASH = '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
const mailOf = (domain: string, peer: string | null = null): MailToVerify => ({
  raw: Buffer.from(
    `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=${domain}; s=s; h=from; bh=${EMPTY_BODY_HASH}; b=AAAA\r\nFrom: a@${domain}\r\n\r\n`,
  ),
  peer,
  helo: null,
  from: '',
})
const resultsOf = async (verified: Promise<{ readonly dkim: readonly { readonly result: string }[] }>) =>
  (await verified).dkim.map(({ result }) => result)
const notFound = (): Promise<never> => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }))
const startRealWorker = (): Worker => new Worker(new URL('../../src/mail-auth/verification-worker.ts', import.meta.url))

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()))
})

function createVerifier(lookUp: DnsLookup, options: { timeLimitMs?: number; maxThreads?: number; createWorker?: () => Worker } = {}) {
  const skipped: string[] = []
  const verifier = createSignatureVerifier(lookUp, { timeLimitMs: LONG_MS, onSkipped: (cause) => skipped.push(cause), ...options })
  closers.push(verifier.close)
  return { ...verifier, skipped }
}

test('DNS servers that never answer: the result is temperror, the queries end, and the thread goes on', async () => {
  const signals: AbortSignal[] = []
  const workers: Worker[] = []
  const { verify, skipped } = createVerifier(
    (name, _type, signal) => {
      if (name.endsWith('loops.example')) return notFound()
      if (signal !== undefined) signals.push(signal)
      return new Promise(() => undefined)
    },
    {
      timeLimitMs: LIMIT_MS,
      createWorker: () => {
        const worker = startRealWorker()
        workers.push(worker)
        return worker
      },
    },
  )
  expect(await resultsOf(verify(mailOf('silent.example'), NOW))).toEqual(['temperror'])
  expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  expect(await resultsOf(verify(mailOf('loops.example'), NOW))).toEqual(['neutral'])
  expect({ skipped, workers: workers.length }).toEqual({ skipped: ['temperror'], workers: 1 })
})

/** A thread that says it is ready and is then busy for ever with its first mail. */
const BUSY = `const { parentPort } = require('node:worker_threads')
parentPort.on('message', () => { for (;;); })
parentPort.postMessage({ kind: 'ready' })`

test('a mail that keeps its thread busy ends with the thread, and the next mail gets another thread', async () => {
  const ended: Promise<unknown>[] = []
  const { verify } = createVerifier(notFound, {
    timeLimitMs: LIMIT_MS,
    maxThreads: 1,
    createWorker: () => {
      const worker = ended.length === 0 ? new Worker(BUSY, { eval: true }) : startRealWorker()
      ended.push(once(worker, 'exit'))
      return worker
    },
  })
  expect(await resultsOf(verify(mailOf('evil.example'), NOW))).toEqual(['temperror'])
  await ended[0]
  expect(await resultsOf(verify(mailOf('loops.example'), NOW))).toEqual(['neutral'])
  expect(ended).toHaveLength(2)
})

test.each([
  ['does not start', 'throw new Error("no")'],
  ['ends at once', 'process.exit(0)'],
  ['says what no thread of ours says', 'require("node:worker_threads").parentPort.postMessage("hello")'],
  ['ends with a mail', `${BUSY.replace('for (;;);', 'process.exit(1)')}`],
  ['runs out of memory', `${BUSY.replace('for (;;);', 'const all = []; for (;;) all.push(new Array(1e5).fill(all.length))')}`],
])('a thread that %s leaves its mail unverified for now, and no other thread starts for it', async (_what, source) => {
  const workers: Worker[] = []
  const { verify } = createVerifier(notFound, {
    createWorker: () => {
      const worker = new Worker(source, { eval: true, resourceLimits: { maxOldGenerationSizeMb: 16 } })
      workers.push(worker)
      return worker
    },
  })
  expect(await resultsOf(verify(mailOf('loops.example'), NOW))).toEqual(['temperror'])
  expect(workers).toHaveLength(1)
})

test('a sender whose DNS servers never answer does not keep the mails of others waiting', async () => {
  const { verify, close } = createVerifier((name) => (name.endsWith('loops.example') ? notFound() : new Promise(() => undefined)), {
    maxThreads: 1,
  })
  const slow = Array.from({ length: 100 }, () => resultsOf(verify(mailOf('silent.example', '192.0.2.1'), NOW)))
  expect(await resultsOf(verify(mailOf('loops.example', '198.51.100.1'), NOW))).toEqual(['neutral'])
  await close()
  expect(new Set((await Promise.all(slow)).flat())).toEqual(new Set(['temperror']))
})

test('closing ends the threads and every mail; a mail after that is not verified', async () => {
  const ended: Promise<unknown>[] = []
  const asked = Promise.withResolvers<AbortSignal | undefined>()
  const { verify, close } = createVerifier(
    (_name, _type, signal) => {
      asked.resolve(signal)
      return new Promise(() => undefined)
    },
    {
      createWorker: () => {
        const worker = startRealWorker()
        ended.push(once(worker, 'exit'))
        return worker
      },
    },
  )
  const results = resultsOf(verify(mailOf('silent.example'), NOW))
  const signal = await asked.promise
  await close()
  expect(await results).toEqual(['temperror'])
  await Promise.all(ended)
  expect(signal?.aborted).toBe(true)
  expect(await resultsOf(verify(mailOf('loops.example'), NOW))).toEqual(['temperror'])
  expect(ended).toHaveLength(1)
})
