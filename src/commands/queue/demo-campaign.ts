/**
 * demo-campaign - the campaign of the demo: whom it writes to, how it is submitted, and what became of it, all by the public API
 *
 * See also: commands/queue/demo.
 */
import * as z from 'zod'
import { Fault } from '../../errors.ts'

/** The providers' domains, and their share of the list: about that of a list of consumers in two parts of the world. */
const SHARES = [
  ['gmail.com', 0.36],
  ['outlook.com', 0.16],
  ['yahoo.com', 0.16],
  ['qq.com', 0.12],
  ['163.com', 0.1],
  ['example.net', 0.06],
  ['example.org', 0.03],
  ['dead.test', 0.01],
] as const satisfies readonly (readonly [string, number])[]

/** Whom one request may carry separate mails to is 100. */
const BATCH = 50

/** Of one account, at one daemon. */
export type Face = { readonly url: string; readonly apiUser: string; readonly apiKey: string }

/** The list: each domain by its share, mixed. The same number gives the same list. */
export function recipientsOf(mails: number): readonly string[] {
  const all = SHARES.flatMap(([domain, share]) =>
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

export const batchesOf = (recipients: readonly string[]): readonly (readonly string[])[] =>
  Array.from({ length: Math.ceil(recipients.length / BATCH) }, (_, n) => recipients.slice(n * BATCH, (n + 1) * BATCH))

const sent = z.object({ result: z.boolean(), message: z.string() })

/** Submits separate mails by POST /api/mail/send. Faults: internal, with the daemon's words. */
export async function submit({ url, apiUser, apiKey }: Face, to: readonly string[]): Promise<void> {
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
  const answer = await fetch(`${url}/api/mail/send`, { method: 'POST', body })
  const told = sent.safeParse(await answer.json())
  if (!told.success || !told.data.result)
    throw new Fault('internal', `the daemon did not take the campaign: ${told.data?.message ?? answer.status}`)
}

async function get<T>({ url, apiUser, apiKey }: Face, path: string, shape: z.ZodType<T>): Promise<T> {
  const authorization = `Basic ${Buffer.from(`${apiUser}:${apiKey}`).toString('base64')}`
  const answer = await fetch(`${url}${path}`, { headers: { authorization } })
  if (!answer.ok) throw new Fault('internal', `GET ${path}: ${answer.status} ${(await answer.text()).slice(0, 200)}`)
  return shape.parse(await answer.json())
}

const lanes = z.object({
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

export type Lanes = z.output<typeof lanes>['lanes']

export const readLanes = async (face: Face): Promise<Lanes> => (await get(face, '/v1/queue?limit=100', lanes)).lanes

const messages = z.object({
  messages: z.array(
    z.object({ recipient: z.string().nullable(), status: z.number(), asynchronousBounce: z.boolean(), reason: z.string().nullable() }),
  ),
  next: z.string().nullable(),
})

export type Mail = z.output<typeof messages>['messages'][number]

/** Whether nothing is on its way any more. */
export const isDrained = async (face: Face): Promise<boolean> =>
  (await get(face, '/v1/messages?status=18&limit=1', messages)).messages.length === 0

/** Every mail as the API shows it. */
export async function readMails(face: Face): Promise<readonly Mail[]> {
  const all: Mail[] = []
  for (let after: string | null = ''; after !== null;) {
    const page: z.output<typeof messages> = await get(
      face,
      `/v1/messages?limit=1000${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`,
      messages,
    )
    all.push(...page.messages)
    after = page.next
  }
  return all
}

const entries = z.object({ entries: z.array(z.unknown()) })

/** How many stand on a list (of the first thousand). */
export const countListed = async (face: Face, list: 'bounce' | 'complaint'): Promise<number> =>
  (await get(face, `/v1/suppressions/${list}?limit=1000`, entries)).entries.length
