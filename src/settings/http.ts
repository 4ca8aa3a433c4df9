/**
 * http - settings of the HTTP listener, and the limits of its clients
 *
 * See also: settings/schema (all settings), http/server/body-limits (enforces the limits).
 */
import { z } from 'zod'
import { HTTP_LIMITS } from '../http/server/body-limits.ts'
import { nonEmptyText, positiveInteger, portNumber, setting } from './setting.ts'

export const httpSettings = z.strictObject({
  port: setting(portNumber.default(8080), 'Port of the HTTP listener; 0 picks a free one', 'the usual unprivileged port'),
  host: setting(
    nonEmptyText.default('127.0.0.1'),
    'Address that the HTTP listener binds to',
    'loopback: API keys are sent with every request, so HTTP belongs behind a TLS proxy; a container sets 0.0.0.0, because its loopback is its own',
  ),
  plain: setting(
    z.boolean().default(false),
    'Allow http.host to be an address of the network although HTTP is not encrypted',
    'false: without TLS, an apiKey can be read on the network; set it if the network is private, as that of a container is',
  ),
  trustProxy: setting(
    z.boolean().default(false),
    'Read the client’s address from X-Forwarded-For',
    'false: any client can send that header; set it only behind a proxy that replaces it, where nothing else can reach http.host',
  ),
  bodyBytes: setting(
    positiveInteger.default(4 * 1024 * 1024),
    'Largest HTTP request body, in bytes; mail/send has a limit of its own, 18 MiB',
    'enough for 10,000 recipients with names; use several requests for more',
  ),
  bodyBudget: setting(
    z
      .int()
      .min(1024 * 1024)
      .default(HTTP_LIMITS.bodyBudget),
    'Bytes of all HTTP bodies that are being received, in total',
    'bounds memory before a request is authenticated; above half of it new large bodies get 503, above all of it the largest stalled one',
  ),
  connections: setting(
    positiveInteger.default(HTTP_LIMITS.connections),
    'Simultaneous HTTP connections; further ones are closed immediately',
    'leaves room for keep-alive connections and live events; each needs about 50 KB',
  ),
  headerSeconds: setting(
    positiveInteger.default(HTTP_LIMITS.headerSeconds),
    'Seconds in which the header of a request must arrive',
    'a header fits into one or two packets',
  ),
  requestSeconds: setting(
    positiveInteger.default(HTTP_LIMITS.requestSeconds),
    'Seconds in which a whole request must arrive, header and body',
    '18 MiB over 512 kbit/s take almost 300 seconds; the response is not limited',
  ),
  bodyIdleSeconds: setting(
    positiveInteger.default(HTTP_LIMITS.bodyIdleSeconds),
    'Seconds that a request body may stall',
    'lost packets are retransmitted within a few seconds; a longer silence means a dead or a hostile client',
  ),
})
