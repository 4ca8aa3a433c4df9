/**
 * disk-full.test - a daemon whose disk fills up: it answers 4xx and loses nothing, and accepts again when there is room
 *
 * Needs the right to mount a small file system; without it the test is skipped.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { startDaemon } from '../support/daemon.ts'
import { sendLoad } from '../support/smtp-load.ts'
import { ndr } from '../support/reports.ts'

/** Mounts 64 MiB of memory as a disk. Null: not permitted here. */
function mountSmallDisk(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'bounced-disk-'))
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', folder]).status === 0 ? folder : null
}

/** Fills the disk to the last byte. */
function fillDisk(file: string): void {
  for (let bytes = 64 * 1024 * 1024; bytes >= 512; bytes = Math.floor(bytes / 2)) {
    try {
      writeFileSync(file, Buffer.alloc(bytes), { flag: 'a' })
    } catch {
      // No room for this much: half of it may fit.
    }
  }
}

async function send(port: number, count: number, first: number): Promise<readonly number[]> {
  const codes: number[] = []
  let next = first
  const makeMail = () => {
    if (next >= first + count) return null
    const n = next++
    const raw = `${ndr({ recipient: `user${n}@example.org`, n })}${'x'.repeat(2_000)}\r\n`
    return { id: String(n), from: '', to: 'postmaster@bounce.example.com', raw }
  }
  await sendLoad({
    host: '127.0.0.1',
    port,
    connections: 1,
    next: makeMail,
    mailsPerConnection: 1,
    onReply: (_mail, code) => codes.push(code),
  })
  return codes
}

const countReports = (data: string): number => {
  const store = new DatabaseSync(join(data, 'bounced.db'), { readOnly: true })
  const row = store.prepare('select count(*) as n from reports').get()
  store.close()
  return Number(row?.['n'])
}

test.for([
  { name: 'without a floor', floor: '0' },
  { name: 'with a floor of free space', floor: String(4 * 1024 * 1024) },
])('a full disk, $name', async ({ floor }, { skip }) => {
  const disk = mountSmallDisk()
  if (disk === null) return skip('mounting is not permitted here')
  const data = join(disk, 'data')
  mkdirSync(data)
  const daemon = await startDaemon({ data, env: { BOUNCED_LIMITS_FREE_DISK_BYTES: floor } })
  try {
    const before = await send(daemon.smtpPort, 20, 0)
    expect(before).toEqual(before.map(() => 250))
    fillDisk(join(disk, 'ballast'))
    const full: number[] = []
    // Room that SQLite has already taken is used first.
    await expect
      .poll(async () => (full.push(...(await send(daemon.smtpPort, 20, 20 + full.length))), full.at(-1)))
      .toBeGreaterThanOrEqual(451)
    expect(full.filter((code) => ![250, 451, 452].includes(code))).toEqual([])
    rmSync(join(disk, 'ballast'))
    const after: number[] = []
    await expect.poll(async () => (after.push(...(await send(daemon.smtpPort, 1, 100_000 + after.length))), after.at(-1))).toBe(250)
    expect(await daemon.stop()).toBe(0)
    const acknowledged = [...before, ...full, ...after].filter((code) => code === 250).length
    expect(countReports(data)).toBe(acknowledged)
  } finally {
    await daemon.kill()
    spawnSync('umount', [disk])
    rmSync(disk, { recursive: true, force: true })
  }
})
