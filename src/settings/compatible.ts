/**
 * compatible - settings of the compatible APIs (SendCloud, EngageLab)
 *
 * See also: settings/schema (all settings), http/sendcloud/response-cache, docs/SENDCLOUD.md.
 */
import { z } from 'zod'
import { RESPONSE_CACHE_MODES } from '../http/sendcloud/response-cache.ts'
import { setting } from './setting.ts'

export const compatibleSettings = z.strictObject({
  answers: setting(
    z.enum(RESPONSE_CACHE_MODES).default('fresh'),
    'Caching of responses of data/emailStatus: fresh (up to 10 minutes, until the next commit), vendor (10 minutes in any case) or off',
    'fresh: spares clients that poll often, without stale responses; vendor reduces the load of the store further',
  ),
})
