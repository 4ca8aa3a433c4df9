/**
 * tracking-links - reads the open and click links that somebody requests, and has them recorded
 *
 * A link is checked with keys in memory only. If the store does not answer, the accounts as they were last read serve, so that images and
 * redirects go on. A click still redirects when its token has expired or its mail is removed, because its target stands in the link under
 * a MAC; it is then counted by account only. The links of a closed account are invalid.
 *
 * See also: tracking/tracking-link, service/track/engagement-service, http/tracking/engagement.
 */
import { isDeliveryIdExpired, TOKEN_PURPOSES } from '../../correlate/token.ts'
import { readClickPath, readOpenPath } from '../../tracking/tracking-link.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { Context } from '../context.ts'
import type { EngagementRequest, EngagementService } from './engagement-service.ts'

/** Who requests a link, as the request says. */
export type LinkClient = Pick<EngagementRequest, 'ip' | 'userAgent' | 'method' | 'purpose'>

export type TrackingLinks = {
  /** Records an open if the link is valid. `segment` is the last one of the path. Faults: see EngagementService. */
  readonly open: (segment: string, client: LinkClient) => Promise<void>
  /** Resolves to the target to redirect to and records the click; null if the link is invalid. Faults: see EngagementService. */
  readonly click: (path: Parameters<typeof readClickPath>[0], client: LinkClient) => Promise<string | null>
}

type Reading = ReturnType<typeof readOpenPath>

/** Creates the reader. Faults of its functions: store_busy while no accounts have been read yet. */
export function createTrackingLinks(context: Context, engagement: EngagementService): TrackingLinks {
  const readAccounts = createLastAccounts(context)
  const { telemetry } = context
  const follow = async (kind: 'open' | 'click', read: (snapshot: AccountSnapshot, domain: string) => Reading, client: LinkClient) => {
    const snapshot = await readAccounts()
    const reading = context.domains.feedback.map((domain) => read(snapshot, domain)).find(({ state }) => state === 'valid')
    const owner = reading === undefined ? null : snapshot.accountOf(reading.account)
    if (reading === undefined || owner === null) {
      telemetry.count('bounced_tracking_requests_total', { kind, link: 'invalid' })
      return null
    }
    const { deliveryId, target } = reading
    const receivedAt = context.now()
    const link = isDeliveryIdExpired(deliveryId, TOKEN_PURPOSES.tracking.validDays, receivedAt) ? 'expired' : 'valid'
    telemetry.count('bounced_tracking_requests_total', { kind, link })
    await engagement.record({ kind, account: owner.account, deliveryId, url: target, ...client, receivedAt })
    return target
  }
  return {
    open: async (segment, client) => {
      await follow('open', ({ keyFor }, domain) => readOpenPath(segment, domain, keyFor), client)
    },
    click: (path, client) => follow('click', ({ keyFor }, domain) => readClickPath(path, domain, keyFor), client),
  }
}

/** The last accounts that were read. They are read again in the background, so that no link waits for the store. */
function createLastAccounts({ accountCache }: Context): () => Promise<AccountSnapshot> {
  let last: AccountSnapshot | null = null
  const refresh = async (): Promise<AccountSnapshot> => {
    last = await accountCache.snapshot()
    return last
  }
  return () => {
    const reading = refresh()
    if (last === null) return reading
    reading.catch(() => undefined)
    return Promise.resolve(last)
  }
}
