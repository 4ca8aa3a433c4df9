/**
 * message - what `/v1/messages` says about a copy, and its events
 */

export type Message = {
  readonly emailId: string | null
  readonly messageId: string | null
  readonly recipient: string | null
  readonly from: string
  readonly subject: string
  readonly label: string | null
  readonly broadcast: string | null
  readonly emailType: string
  readonly requestedAt: string
  readonly modifiedAt: string
  readonly status: number
  readonly subStatus: number | null
  readonly asynchronousBounce: boolean
  readonly reason: string | null
  readonly permanence: string | null
  readonly fault: string | null
  readonly billable: boolean
  readonly weak: boolean
  readonly forwarded: boolean
  readonly rule: string | null
  readonly sendLog: string
  readonly deliveredAt: string | null
  readonly openedAt: string | null
}

export type Evidence = {
  readonly rule: string
  readonly table: string
  readonly provider: string | null
  readonly matched: readonly string[]
  readonly text: string
  readonly code: number | null
  readonly status: string | null
}

export type MessageEvent = {
  readonly id: string
  readonly kind: string
  readonly at: string
  readonly status: number | null
  readonly subStatus: number | null
  readonly reason: string | null
  readonly evidence: Evidence | null
  readonly detail: Readonly<Record<string, unknown>>
}

/** A field of an event's detail as text, or null. */
export function detailText({ detail }: Pick<MessageEvent, 'detail'>, name: string): string | null {
  const value = detail[name]
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null
}
