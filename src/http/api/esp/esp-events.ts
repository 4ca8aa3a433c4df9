/**
 * esp-events - takes the events of email service providers: one path for each, with the source in the query
 *
 * The body is read as bytes, because signatures cover them, whatever content type the ESP gives: SNS sends JSON as text. An error makes the ESP send
 * the request again.
 *
 * See also: service/esp/receive-events, docs/EVENTS.md.
 */
import { z } from 'zod'
import { Fault } from '../../../errors.ts'
import { ESPS, type Esp } from '../../../esp-events/esp-event.ts'
import type { ReceiveEspEvents } from '../../../service/esp/receive-events.ts'
import type { HttpServer } from '../../server/http-server.ts'

type EspEventDependencies = { readonly receiveEspEvents: ReceiveEspEvents }

/** The largest body of each ESP: SNS sends 256 KiB at most, SparkPost 10,000 events at once. The limits replace http.bodyBytes. */
const MAX_BODY_BYTES = {
  ses: 524_288,
  sendgrid: 4_194_304,
  mailgun: 1_048_576,
  postmark: 1_048_576,
  sparkpost: 16_777_216,
} as const satisfies Record<Esp, number>

const response = {
  200: z.object({
    recorded: z.int().describe('Events that belong to a mail of the account'),
    repeated: z.int().describe('Events that were recorded before'),
    inbox: z.int().describe('Failures, complaints and unsubscribes of which no mail is known, or that the inbox shows besides'),
    unreadable: z.int().describe('Events that could not be processed; the log has the cause'),
    unmatched: z.int().describe('Other events of which no mail is known'),
    ignored: z.int().describe('Events that change nothing here, such as "processed"'),
  }),
}
const querystring = z.object({ source: z.string().max(64).describe('The id of the event source') })

const TITLES = {
  ses: 'Amazon SES, by SNS',
  sendgrid: 'SendGrid',
  mailgun: 'Mailgun',
  postmark: 'Postmark',
  sparkpost: 'SparkPost',
} as const

export function addEspEventRoutes(server: HttpServer, { receiveEspEvents }: EspEventDependencies): void {
  void server.register(async (instance) => {
    const scope: HttpServer = instance.withTypeProvider()
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: Math.max(...Object.values(MAX_BODY_BYTES)) }, (_request, body, done) =>
      done(null, body),
    )
    for (const esp of ESPS) {
      const schema = { summary: `Take events of ${TITLES[esp]}`, tags: ['esp-events'], querystring, response }
      scope.post(`/in/${esp}`, { schema }, async ({ query, headers, body }) => {
        const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0)
        if (bytes.length > MAX_BODY_BYTES[esp]) throw new Fault('too_large', `the body is larger than ${MAX_BODY_BYTES[esp]} bytes`)
        return receiveEspEvents({ esp, sourceId: query.source, headers, body: bytes })
      })
    }
  })
}
