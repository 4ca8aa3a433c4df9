/**
 * lane - a lane as `GET /v1/queue` shows it
 *
 * See also: http/api/queue.
 */
export const WINDOWS = ['5', '15', '30'] as const
export type Window = (typeof WINDOWS)[number]

type Averages = { readonly last5s: number; readonly last15s: number; readonly last30s: number }

/** A label that a person paused, at this domain or at all. */
export type LabelHold = { readonly label: number; readonly key: string; readonly until: string; readonly waiting: number }

export type QueueLane = {
  /** Null for a reader who sees one account. */
  readonly account: string | null
  readonly domain: string
  readonly state: 'active' | 'throttled' | 'paused' | 'probing' | 'recovering' | 'manual' | 'limited'
  readonly stopped: boolean
  readonly reason: string | null
  readonly key: string | null
  readonly class: string | null
  readonly nextSendingAt: string | null
  readonly waiting: number
  readonly inFlight: number
  /** The limit that was set; and what may leave now, where something limits it. */
  readonly perMinute: number | null
  readonly perMinuteInForce: number | null
  readonly pausedLabels: readonly LabelHold[]
  readonly rates: { readonly in: Averages; readonly tryOut: Averages; readonly out: Averages }
  readonly evidence: readonly { readonly at: string; readonly code: number | null; readonly text: string | null }[]
}

/** Messages a second over the chosen time. */
export const rateOf = (averages: Averages, window: Window): number => averages[`last${window}s`]

/** What a command is about. `domain` null: all domains of the account. */
export type LaneTarget = { readonly account: string; readonly domain: string | null; readonly waiting: number }

export type LaneDialogProps = { readonly target: LaneTarget; readonly onClose: () => void }
