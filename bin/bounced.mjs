#!/usr/bin/env node
// bounced - checks the version of Node, then runs cli; `receive`, which starts once for each mail, runs without it. In the npm package (package/pack) the daemon is the default
import { existsSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

const args = process.argv.slice(2)
const [major] = process.versions.node.split('.')
const isReceive = args[args[0] === '-c' || args[0] === '--config' ? 2 : 0] === 'receive'
const isClone = existsSync(new URL('../src/cli.ts', import.meta.url))
const load = (module) => import(isClone ? `../src/${module}.ts` : `../dist/${module}.js`)

if (Number(major) < 26) {
  const { node } = process.versions
  console.error(
    isClone
      ? `bounced needs Node 26 or newer; this is Node ${node}. In the clone, after "npm ci", run "npx --no-install bounced", or install a newer Node.`
      : `The bounced daemon needs Node 26 or newer (this is Node ${node}); only import { readReport, classify } from 'bounced' works with Node 22.`,
  )
  // 75 (sysexits, EX_TEMPFAIL): an MTA must keep its mail.
  process.exit(isReceive ? 75 : 1)
}

// Before any TypeScript is loaded: a process that finds all of its code in the cache never loads the stripper of types.
enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'bounced'))

if (!isReceive || args.includes('--help') || args.includes('-h')) {
  if (!isClone && args.length === 0) process.argv.push('serve')
  await load('cli')
} else {
  process.exitCode = await load('commands/receive').then(
    ({ receiveFromArguments }) => receiveFromArguments(args),
    (error) => {
      console.error(error)
      return 75
    },
  )
}
