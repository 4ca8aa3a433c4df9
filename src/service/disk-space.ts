/**
 * disk-space - the free space of the disk that holds the data folder, and the floor below which nothing new is accepted
 *
 * A full disk stops the store for everything: outcomes of deliveries, retention and erasure need room too. Below the floor, mail from
 * outside is refused for a time (452, 507) while what is running goes on. The disk is looked at once a second at most, when somebody
 * asks. With PostgreSQL this is the disk of the local data folder; that of the server is not visible from here.
 *
 * See also: smtp-server/session-options (452 4.3.1), service/submit/submit (507), ledger/alert/alert-rules (disk-space), settings/limits.
 */
import { statfsSync } from 'node:fs'
import { Fault } from '../errors.ts'
import type { Telemetry } from '../telemetry.ts'

export type DiskSpace = {
  /** Free bytes; null: they cannot be found out. */
  readonly freeBytes: () => number | null
  readonly floorBytes: number
  /** Whether less is free than the floor. False where the free space is unknown. */
  readonly isLow: () => boolean
}

type DiskSpaceOptions = {
  readonly folder: string
  /** 0: no floor. */
  readonly floorBytes: number
  /** Milliseconds since any moment. */
  readonly elapsed: () => number
  readonly telemetry: Pick<Telemetry, 'log' | 'setGauge'>
  /** Free bytes of the disk of a folder; throws if they cannot be found out. Replaced in tests. */
  readonly measure?: (folder: string) => number
}

/** How old a figure may be. In a second, a gigabit of network fills 125 MB: less than the smallest floor that makes sense. */
const MAX_AGE_MS = 1_000

/** Blocks that a user without privileges may fill. */
function measureFreeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

/** Creates the measurement. Total: what cannot be measured refuses nothing, and is logged once. */
export function createDiskSpace({ folder, floorBytes, elapsed, telemetry, measure = measureFreeBytes }: DiskSpaceOptions): DiskSpace {
  let measuredAt = Number.NEGATIVE_INFINITY
  let free: number | null = null
  let wasLow = false
  let isUnknown = false
  const look = (): number | null => {
    const at = elapsed()
    if (at - measuredAt < MAX_AGE_MS) return free
    measuredAt = at
    try {
      free = measure(folder)
      isUnknown = false
      telemetry.setGauge('bounced_disk_free_bytes', free)
    } catch (error) {
      if (!isUnknown) telemetry.log.warn({ err: error }, 'free disk space cannot be measured; limits.freeDiskBytes does not apply')
      isUnknown = true
      free = null
    }
    return free
  }
  const isLow = (): boolean => {
    if (floorBytes === 0) return false
    const freeBytes = look()
    const low = freeBytes !== null && freeBytes < floorBytes
    if (low !== wasLow) {
      const message = low
        ? 'free disk space is below limits.freeDiskBytes: new mail is refused'
        : 'free disk space is above limits.freeDiskBytes again'
      telemetry.log.warn({ freeBytes, floorBytes }, message)
    }
    wasLow = low
    return low
  }
  return { freeBytes: look, floorBytes, isLow }
}

/** Throws Fault insufficient_storage while less disk space is free than the floor. */
export function requireDiskSpace({ diskSpace }: { readonly diskSpace: DiskSpace }): void {
  if (diskSpace.isLow())
    throw new Fault('insufficient_storage', 'the server has too little free disk space, please try again later (limits.freeDiskBytes)')
}
