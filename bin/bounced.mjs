#!/usr/bin/env node
// bounced - checks the version of Node, then runs src/cli.ts
const [major] = process.versions.node.split('.')
if (Number(major) < 26) {
  console.error(
    `bounced needs Node 26 or newer; this is Node ${process.versions.node}. In the clone, after "npm ci", run "npx --no-install bounced", or install a newer Node.`,
  )
  process.exit(1)
}
await import('../src/cli.ts')
