/**
 * reclassification - a reclassification as `/v1` shows it
 *
 * See also: http/api/rules/reclassifications.
 */
import type { BadgeTone } from '../../components/badge.ts'

type ShownMeaning = {
  readonly status: number
  readonly subStatus: number | null
  readonly reason: string | null
  readonly permanence: string | null
}

export type ChangedGroup = {
  readonly account: string | null
  readonly from: ShownMeaning
  readonly to: ShownMeaning
  readonly n: number
  readonly deliveries: number
}

export type Summary = {
  readonly examined: number
  readonly changed: number
  readonly unreadable: number
  readonly groups: readonly ChangedGroup[]
  readonly lists: readonly { readonly account: string | null; readonly action: 'remove' | 'add' | 'hold'; readonly n: number }[]
}

type JobState = 'checking' | 'checked' | 'applying' | 'applied' | 'cancelled' | 'failed'

export type Reclassification = {
  readonly id: string
  readonly state: JobState
  readonly undoes: string | null
  readonly since: string
  readonly until: string
  readonly account: string | null
  readonly table: string | null
  readonly askedBy: string
  readonly appliedBy: string | null
  readonly createdAt: string
  readonly progress: number
  readonly preview: Summary
  readonly outcome: Summary
  readonly error: string | null
}

type SampleVerdict = ShownMeaning & { readonly rule: string; readonly matched: readonly string[]; readonly text: string }

export type Sample = {
  readonly account: string | null
  readonly emailId: string | null
  readonly domain: string
  readonly at: string
  readonly statusChanges: boolean
  readonly from: SampleVerdict
  readonly to: SampleVerdict
}

export const JOB_TONES = {
  checking: 'accent',
  checked: 'warn',
  applying: 'accent',
  applied: 'good',
  cancelled: 'plain',
  failed: 'bad',
} as const satisfies Readonly<Record<JobState, BadgeTone>>

export const isRunning = (state: JobState): boolean => state === 'checking' || state === 'applying'

export const meaningText = ({ status, subStatus, reason, permanence }: ShownMeaning): string =>
  [`${status}/${subStatus ?? '–'}`, reason ?? '–', permanence ?? ''].filter((part) => part !== '').join(' · ')
