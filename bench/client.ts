/**
 * client - a child process that sends one report many times: `node bench/client.ts PORT CONNECTIONS MAILS`
 */
import { sendLoad } from '../test/support/smtp-load.ts'
import { RETURN_PATH } from '../test/support/context.ts'
import { benchReport } from './report.ts'

const [port = 0, connections = 1, mails = 1] = process.argv.slice(2).map(Number)
const token = 'a'.repeat(30)
const raw = benchReport(token, 'p@example.org', 1)
let sent = 0
await sendLoad({
  host: '127.0.0.1',
  port,
  connections,
  mailsPerConnection: Infinity,
  next: () => (sent++ < mails ? { id: String(sent), from: '', to: `${token}@${RETURN_PATH}`, raw } : null),
  onReply: () => undefined,
})
process.disconnect?.()
