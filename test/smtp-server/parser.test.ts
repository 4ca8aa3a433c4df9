/**
 * parser.test - a chunk full of commands does not keep other connections waiting
 */
import { expect, test } from 'vitest'
import { SmtpParser } from '../../src/smtp-server/parser.ts'

test('of ten thousand commands in one chunk, sixteen at most are executed before other work; all are executed in the end', async () => {
  let executed = 0
  let largestGroup = 0
  let group = 0
  const parser = new SmtpParser(4_096, {
    isReady: () => true,
    onEarlyData: () => expect.unreachable(),
    onMalformedLine: () => expect.unreachable(),
    onCommand: (_line, _bytesAfter, next) => {
      if (group === 0) setImmediate(() => (group = 0))
      executed += 1
      group += 1
      largestGroup = Math.max(largestGroup, group)
      next()
    },
  })
  await new Promise<void>((resolve) => parser.write(Buffer.from('NOOP\r\n'.repeat(10_000)), () => resolve()))
  expect(executed).toBe(10_000)
  expect(largestGroup).toBeLessThanOrEqual(16)
})
