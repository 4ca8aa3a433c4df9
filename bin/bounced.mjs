#!/usr/bin/env node
// bounced - starts src/cli.ts, after one look at the Node that runs us
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `bounced needs Node 24 or newer, this is ${process.versions.node}: run it by "npx --no-install bounced" in the clone after "npm ci", or install a newer Node.`,
  )
  process.exit(1)
}
await import('../src/cli.ts')
