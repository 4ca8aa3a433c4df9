/**
 * verification-worker - the thread in which mailauth verifies mails
 *
 * The thread has no network: it asks its parent for DNS records, so that the parent can end the queries of a mail. It reports each part of the results
 * as soon as it is known, then `done`. Mails in the thread share its CPU; one that keeps it busy beyond its limit ends with the thread.
 *
 * See also: mail-auth/verification-thread (the parent's side and the messages), mail-auth/verify-signatures (what is computed).
 */
import { parentPort } from 'node:worker_threads'
import { loadLibraries, verifyMail } from './verify-signatures.ts'
import type { ToWorker } from './verification-thread.ts'

type Query = { readonly resolve: (records: string[][] | string[]) => void; readonly reject: (error: Error) => void }

const queries = new Map<number, Query>()
let lastQuery = 0

parentPort?.on('message', (message: ToWorker) => {
  if (message.kind === 'verify') void verify(message)
  else settleQuery(message)
})
void loadLibraries().then(() => parentPort?.postMessage({ kind: 'ready' }))

async function verify({ id, mail, now }: Extract<ToWorker, { kind: 'verify' }>): Promise<void> {
  const lookUp = (name: string, type: string): Promise<string[][] | string[]> =>
    new Promise((resolve, reject) => {
      const query = ++lastQuery
      queries.set(query, { resolve, reject })
      parentPort?.postMessage({ kind: 'look-up', id, query, name, type })
    })
  await verifyMail(mail, now, { lookUp, report: (part) => parentPort?.postMessage({ kind: 'part', id, part }) })
  parentPort?.postMessage({ kind: 'done', id })
}

function settleQuery(message: Exclude<ToWorker, { kind: 'verify' }>): void {
  const query = queries.get(message.query)
  queries.delete(message.query)
  if (message.kind === 'records') query?.resolve(message.records)
  else query?.reject(Object.assign(new Error(message.code), { code: message.code }))
}
