/**
 * esp-events - takes the events of email service providers: one path for each, with the source in the query
 *
 * The body is read as bytes, because signatures cover them, whatever content type the ESP gives: SNS sends JSON as text. An error makes the ESP send
 * the request again.
 *
 * See also: service/esp/receive-events, docs/EVENTS.md.
 */
import { z } from 'zod'
import { ESPS } from '../../../esp-events/esp-event.ts'
import type { ReceiveEspEvents } from '../../../service/esp/receive-events.ts'
import type { HttpServer } from '../../server/http-server.ts'

type EspEventDependencies = { readonly receiveEspEvents: ReceiveEspEvents }

/** SparkPost sends up to 10,000 events at once, SendGrid up to a megabyte, SNS 256 KiB. It is the limit here, instead of http.bodyBytes. */
const MAX_BODY_BYTES = 16 * 1_048_576

const response = {
  200: z.object({
    recorded: z.int().describe('Events that belong to a mail of the account'),
    repeated: z.int().describe('Events that were recorded before'),
    inbox: z.int().describe('Failures, complaints and unsubscribes of which no mail is known, or that the inbox shows besides'),
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
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (_request, body, done) => done(null, body))
    for (const esp of ESPS) {
      const schema = { summary: `Take events of ${TITLES[esp]}`, tags: ['esp-events'], querystring, response }
      scope.post(`/in/${esp}`, { schema }, async ({ query, headers, body }) => {
        const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0)
        return receiveEspEvents({ esp, sourceId: query.source, headers, body: bytes })
      })
    }
  })
}
