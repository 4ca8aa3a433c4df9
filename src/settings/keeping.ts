/**
 * keeping - how long what is stored stays
 *
 * See also: settings (the whole schema).
 */
import { z } from 'zod'
import { days, setting } from './setting.ts'

export const retention = z.strictObject({
  rawDays: setting(days.default(30), 'Days that raw mail is kept', 'long enough to look into a complaint, short enough for privacy'),
})
