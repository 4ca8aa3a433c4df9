/**
 * compatible - the faces that other vendors' clients speak
 *
 * See also: settings (the whole schema), http/sendcloud/response-cache, docs/SENDCLOUD.md.
 */
import { z } from 'zod'
import { RESPONSE_CACHE_MODES } from '../http/sendcloud/response-cache.ts'
import { setting } from './setting.ts'

export const compatibleSettings = z.strictObject({
  answers: setting(
    z.enum(RESPONSE_CACHE_MODES).default('fresh'),
    'How long an answer of data/emailStatus is given again to the same question: fresh (10 minutes, while nobody has committed anything), vendor (10 minutes, whatever happens) or off',
    'fresh: the vendor’s 10 minutes for clients that ask again and again, without its stale answers; vendor spares the store under load',
  ),
})
