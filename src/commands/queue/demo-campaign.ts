/**
 * demo-campaign - the campaign of the demo: its recipients, its submission and its results, all by the public API
 *
 * See also: commands/queue/demo.
 */
import * as z from 'zod'
import { Fault } from '../../errors.ts'

/** The providers' domains and their share of the recipients, as in a consumer list of two regions. */
const DOMAIN_SHARES = [
  ['gmail.com', 0.36],
  ['outlook.com', 0.16],
  ['yahoo.com', 0.16],
  ['qq.com', 0.12],
  ['163.com', 0.1],
  ['example.net', 0.06],
  ['example.org', 0.03],
  ['dead.test', 0.01],
] as const satisfies readonly (readonly [string, number])[]

/** A request may have 100 recipients with separate mails. */
const BATCH_SIZE = 50

/** The API of one daemon, and the account that uses it. */
export type ApiAccess = { readonly url: string; readonly apiUser: string; readonly apiKey: string }

/** Generates the recipients: each domain by its share, mixed. The same number gives the same list. */
export function generateRecipients(mails: number): readonly string[] {
  const all = DOMAIN_SHARES.flatMap(([domain, share]) =>
    Array.from({ length: Math.max(1, Math.round(mails * share)) }, (_, n) => ({
      at: (n + 0.5) / Math.max(1, Math.round(mails * share)),
      address: `reader${n + 1}@${domain}`,
    })),
  )
  return all
    .toSorted((a, b) => a.at - b.at)
    .map(({ address }) => address)
    .slice(0, mails)
}

export const splitIntoBatches = (recipients: readonly string[]): readonly (readonly string[])[] =>
  Array.from({ length: Math.ceil(recipients.length / BATCH_SIZE) }, (_, n) => recipients.slice(n * BATCH_SIZE, (n + 1) * BATCH_SIZE))

const sendResponseSchema = z.object({ result: z.boolean(), message: z.string() })

/** Submits separate mails by POST /api/mail/send. Faults: internal, with the daemon's message. */
export async function submitMails({ url, apiUser, apiKey }: ApiAccess, to: readonly string[]): Promise<void> {
  const body = new URLSearchParams({
    apiUser,
    apiKey,
    from: 'news@news.example.com',
    fromName: 'Example Shop',
    subject: 'The week in the workshop, %name%',
    html: '<p>Hello %name%,</p><p>three new things were made this week.</p>',
    plain: 'Hello %name%,\nthree new things were made this week.\n',
    xsmtpapi: JSON.stringify({ to, sub: { '%name%': to.map((address) => address.slice(0, address.indexOf('@'))) } }),
  })
  const response = await fetch(`${url}/api/mail/send`, { method: 'POST', body })
  const parsed = sendResponseSchema.safeParse(await response.json())
  if (!parsed.success || !parsed.data.result)
    throw new Fault('internal', `the daemon refused the campaign: ${parsed.data?.message ?? response.status}`)
}

async function getJson<T>({ url, apiUser, apiKey }: ApiAccess, path: string, schema: z.ZodType<T>): Promise<T> {
  const authorization = `Basic ${Buffer.from(`${apiUser}:${apiKey}`).toString('base64')}`
  const response = await fetch(`${url}${path}`, { headers: { authorization } })
  if (!response.ok) throw new Fault('internal', `GET ${path}: ${response.status} ${(await response.text()).slice(0, 200)}`)
  return schema.parse(await response.json())
}

const lanesSchema = z.object({
  lanes: z.array(
    z.object({
      domain: z.string(),
      state: z.string(),
      stopped: z.boolean(),
      reason: z.string().nullable(),
      nextSendingAt: z.string().nullable(),
      waiting: z.number(),
      inFlight: z.number(),
      rates: z.object({ out: z.object({ last5s: z.number() }) }),
    }),
  ),
})

export type DemoLanes = z.output<typeof lanesSchema>['lanes']

export const readLanes = async (api: ApiAccess): Promise<DemoLanes> => (await getJson(api, '/v1/queue?limit=100', lanesSchema)).lanes

const messagesSchema = z.object({
  messages: z.array(
    z.object({ recipient: z.string().nullable(), status: z.number(), asynchronousBounce: z.boolean(), reason: z.string().nullable() }),
  ),
  next: z.string().nullable(),
})

type DemoMessage = z.output<typeof messagesSchema>['messages'][number]

/** Whether no mail is in status 18 (sending) any more. */
export const isDrained = async (api: ApiAccess): Promise<boolean> =>
  (await getJson(api, '/v1/messages?status=18&limit=1', messagesSchema)).messages.length === 0

/** Every mail as the API shows it. */
export async function readMails(api: ApiAccess): Promise<readonly DemoMessage[]> {
  const all: DemoMessage[] = []
  for (let after: string | null = ''; after !== null;) {
    const page: z.output<typeof messagesSchema> = await getJson(
      api,
      `/v1/messages?limit=1000${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`,
      messagesSchema,
    )
    all.push(...page.messages)
    after = page.next
  }
  return all
}

const entriesSchema = z.object({ entries: z.array(z.unknown()) })

/** The number of entries on a list, 1,000 at most. */
export const countListed = async (api: ApiAccess, list: 'bounce' | 'complaint'): Promise<number> =>
  (await getJson(api, `/v1/suppressions/${list}?limit=1000`, entriesSchema)).entries.length
