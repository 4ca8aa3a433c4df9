/**
 * http - settings of the HTTP listener, and what strangers may hold of it
 *
 * See also: settings (the whole schema), http/server/body-limits (who keeps the limits).
 */
import { z } from 'zod'
import { HTTP_LIMITS } from '../http/server/body-limits.ts'
import { positiveInteger, portNumber, setting } from './setting.ts'

export const httpSettings = z.strictObject({
  port: setting(portNumber.default(8080), 'Port of the HTTP listener; 0 picks a free one', 'the usual unprivileged one'),
  trustProxy: setting(
    z.boolean().default(false),
    'Take the client’s address from X-Forwarded-For',
    'anyone can write that header; set it only behind a proxy that replaces it',
  ),
  bodyBytes: setting(
    positiveInteger.default(4 * 1024 * 1024),
    'Largest HTTP request body; mail/send has its own of 18 MiB',
    '10,000 recipients with names fit; more belongs into several calls',
  ),
  bodyBudget: setting(
    z
      .int()
      .min(1024 * 1024)
      .default(HTTP_LIMITS.bodyBudget),
    'Bytes of all open HTTP bodies together',
    'a body comes before its key is known: above half large ones that begin get 503, above all the largest stalled one; memory stays bounded',
  ),
  connections: setting(
    positiveInteger.default(HTTP_LIMITS.connections),
    'HTTP connections at once; further ones are closed at once',
    'kept connections and live events stay open; each costs some 50 KB',
  ),
  headerSeconds: setting(
    positiveInteger.default(HTTP_LIMITS.headerSeconds),
    'Seconds for the head of a request',
    'a head is one packet or two',
  ),
  requestSeconds: setting(
    positiveInteger.default(HTTP_LIMITS.requestSeconds),
    'Seconds for a whole request to come, head and body',
    '18 MiB over 512 kbit/s take just under 300; an answer may take longer',
  ),
  bodyIdleSeconds: setting(
    positiveInteger.default(HTTP_LIMITS.bodyIdleSeconds),
    'Seconds that a body may stand still',
    'lost packets are sent again within a few; who is silent for longer is gone, or means it',
  ),
})
