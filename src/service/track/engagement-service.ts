/**
 * engagement-service - an open or a click as the tracking routes pass it on, and the service that records it
 *
 * See also: service/track/engagement-recorder (the implementation), http/tracking (the routes).
 */
export type EngagementRequest = {
  readonly kind: 'open' | 'click'
  readonly account: number
  readonly deliveryId: string
  /** The target of a click. */
  readonly url: string | null
  readonly ip: string
  readonly userAgent: string | null
  readonly method: 'GET' | 'HEAD'
  /** The value of Sec-Purpose, Purpose or X-Moz. */
  readonly purpose: string | null
  readonly receivedAt: number
}

export type EngagementService = {
  /**
   * Records one open or click. Never rejects for what a stranger sent.
   * Faults, with `durable` only: store_busy, overloaded (`tracking.waiting` requests wait).
   */
  readonly record: (request: EngagementRequest) => Promise<void>
}

/** `act`: the same for all requests that are one act of one client (service/track/request-id). */
export type IdentifiedRequest = EngagementRequest & { readonly act: string }
