#!/usr/bin/env node
// bounced - checks the version of Node, then runs src/cli.ts; `receive`, which starts once for each mail, runs without it
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

const args = process.argv.slice(2)
const [major] = process.versions.node.split('.')
const isReceive = args[args[0] === '-c' || args[0] === '--config' ? 2 : 0] === 'receive'

if (Number(major) < 26) {
  console.error(
    `bounced needs Node 26 or newer; this is Node ${process.versions.node}. In the clone, after "npm ci", run "npx --no-install bounced", or install a newer Node.`,
  )
  // 75 (sysexits, EX_TEMPFAIL): an MTA must keep its mail.
  process.exit(isReceive ? 75 : 1)
}

if (!isReceive || args.includes('--help') || args.includes('-h')) await import('../src/cli.ts')
else {
  enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'bounced'))
  process.exitCode = await import('../src/commands/receive.ts').then(
    ({ receiveFromArguments }) => receiveFromArguments(args),
    (error) => {
      console.error(error)
      return 75
    },
  )
}
