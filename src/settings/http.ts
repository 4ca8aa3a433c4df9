/**
 * http - settings of the HTTP listeners, and the limits of their clients
 *
 * See also: settings/schema (all settings), http/server/connection-limits and http/server/body-limits (enforce the limits).
 */
import { z } from 'zod'
import { HTTP_LIMITS } from '../http/server/http-limits.ts'
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
  tlsPort: setting(
    portNumber.optional(),
    'Port of the HTTPS listener; 0 picks a free one',
    'none: HTTPS is the task of a proxy in front of http.port; set it to serve tracking domains without one',
  ),
  tlsHost: setting(
    nonEmptyText.default('0.0.0.0'),
    'Address that the HTTPS listener binds to',
    'every address of the machine: the listener is encrypted, and recipients open the links in mails',
  ),
  tlsFolder: setting(
    nonEmptyText.optional(),
    'Folder with a subfolder for each certificate of the HTTPS listener, with fullchain.pem and privkey.pem, as certbot keeps them',
    'none: tls.cert and tls.key serve; changed files are read within a minute, or at once on SIGHUP',
  ),
  hosts: setting(
    z.array(nonEmptyText).default([]),
    'Further host names that the API answers on, besides the host of publicUrl, http.host and loopback',
    'none: with publicUrl set, a request to any other name gets 421, so that names of others do not show the API; list internal names, such as that of a container',
  ),
  adminPort: setting(
    portNumber.optional(),
    'Port of the HTTP listener for operators: /healthz, /readyz with its reason, and /metrics; 0 picks a free one',
    'the port after http.port; a free one if http.port is 0. A listener of its own, so that monitoring works while strangers fill the public one',
  ),
  adminHost: setting(
    nonEmptyText.default('127.0.0.1'),
    'Address that the HTTP listener for operators binds to',
    'loopback: it needs no key; set it to an address of a private network if Prometheus runs on another machine',
  ),
  trustProxy: setting(
    z.boolean().default(false),
    'Read the client’s address and the host from X-Forwarded-For and X-Forwarded-Host; the HTTPS listener never does',
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
    'Simultaneous HTTP connections; a further one takes the place of an idle one, or is closed immediately',
    'leaves room for keep-alive connections and live events; each needs about 50 KB',
  ),
  connectionsPerPeer: setting(
    positiveInteger.default(HTTP_LIMITS.connectionsPerPeer),
    'Simultaneous HTTP connections from one address; further ones are closed immediately',
    'programs keep about ten connections open; list a proxy in http.exemptPeers or set http.trustProxy',
  ),
  connectionsPerNetwork: setting(
    positiveInteger.default(HTTP_LIMITS.connectionsPerNetwork),
    'Simultaneous HTTP connections from one network (/24 for IPv4, /64 for IPv6)',
    'three times the limit of one address: the clients of one sender often share a network',
  ),
  connectionsPerAllocation: setting(
    positiveInteger.default(HTTP_LIMITS.connectionsPerAllocation),
    'Simultaneous HTTP connections from one IPv6 /48',
    'twice the limit of a network: a customer is often allocated a /48 (RFC 6177), which has 65,536 networks',
  ),
  exemptPeers: setting(
    z.array(nonEmptyText).default([...HTTP_LIMITS.exemptPeers]),
    'Peers without limits by peer and network (addresses, or networks such as 192.0.2.0/24); with http.trustProxy all of them',
    'loopback: the TLS proxy on this machine opens the connections of all clients',
  ),
  stressPercent: setting(
    z.int().min(1).max(100).default(HTTP_LIMITS.stressPercent),
    'Share of a limit on HTTP connections, in percent, from which on the connections that it counts have http.stressSeconds only',
    'idle connections are closed before the limit refuses anybody',
  ),
  stressSeconds: setting(
    positiveInteger.default(HTTP_LIMITS.stressSeconds),
    'Seconds that a connection may wait for the header of a request, or that a body or a response may stall, under stress',
    'a client that has a request sends it at once; a lost packet is sent again within a second or two',
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
  responseIdleSeconds: setting(
    positiveInteger.default(HTTP_LIMITS.responseIdleSeconds),
    'Seconds after which a client that takes no byte of its response is disconnected',
    'a client may pause while it processes what it read; a longer silence means a dead or a hostile client',
  ),
})
