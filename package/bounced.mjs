#!/usr/bin/env node
// bounced - checks the version of Node, then runs a command; without one, the daemon
const [major] = process.versions.node.split('.')
if (Number(major) < 26) {
  console.error(
    `The bounced daemon needs Node 26 or newer (this is Node ${process.versions.node}); only import { readReport, classify } from 'bounced' works with Node 22.`,
  )
  process.exit(1)
}
if (process.argv.length === 2) process.argv.push('serve')
await import('../dist/cli.js')
