/**
 * track-html - puts open, click and unsubscribe tracking into the content of a registered mail that the sender delivers
 *
 * POST /v1/messages takes the same fields and returns the content of every copy.
 *
 * See also: service/track/track-content, http/api/messages, docs/TRACKING.md.
 */
import { z } from 'zod'
import { ACCOUNT_DEFAULT_TRACKING } from '../../compose/x-smtpapi.ts'
import type { RegisteredContent, TrackHtml } from '../../service/track/track-content.ts'
import type { Authorizer } from '../server/authorize.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

/** JSON can hold half a surrogate pair, which no mail can. */
const content = z.string().refine((text) => text.isWellFormed(), 'must be well-formed Unicode')

/** The fields of a request that has content to track. */
export const contentFields = {
  html: content.optional().describe('The HTML of the mail, without variables of yours'),
  plain: content.optional().describe('The plain text of the mail'),
  tracking: strictObject({
    open: z.boolean().optional(),
    click: z.boolean().optional(),
    unsubscribe: z.boolean().optional().describe('The footer, where the content has no %%user_defined_unsubscribe_link%%'),
  })
    .optional()
    .describe('Switches of this mail; without them the settings of the account decide'),
}

type ContentBody = z.output<z.ZodObject<typeof contentFields>>

/** Null: there is nothing to track. */
export function toRegisteredContent({ html, plain, tracking }: ContentBody): RegisteredContent | null {
  if (html === undefined && plain === undefined) return null
  const { open = null, click = null, unsubscribe: subscription = null } = tracking ?? {}
  return { html: html ?? null, plain: plain ?? null, tracking: { open, click, subscription } }
}

const trackedContent = z.object({
  html: z.string().nullable(),
  plain: z.string().nullable(),
  tracking: z
    .object({ open: z.boolean(), click: z.boolean(), unsubscribe: z.boolean() })
    .describe('What was switched on. All false without publicUrl and tracking.domain'),
})

type TrackHtmlRouteDependencies = { readonly trackHtml: TrackHtml; readonly authorizer: Authorizer }

export function addTrackHtmlRoutes(server: HttpServer, { trackHtml, authorizer }: TrackHtmlRouteDependencies): void {
  const body = strictObject({ emailId: z.string().min(1).max(1_024), ...contentFields })
  const schema = {
    summary: 'Put tracking into the HTML and text of a registered message',
    tags: ['messages'],
    querystring: strictObject(operatorQuery),
    body,
    response: { 200: trackedContent },
  }
  server.post('/v1/track/html', { schema }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    const { emailId, ...fields } = request.body
    const empty = { html: null, plain: null, tracking: ACCOUNT_DEFAULT_TRACKING }
    const { html, plain, switches } = await trackHtml(caller, { emailId, ...(toRegisteredContent(fields) ?? empty) })
    return { html, plain, tracking: { open: switches.open, click: switches.click, unsubscribe: switches.unsubscribeFooter } }
  })
}
