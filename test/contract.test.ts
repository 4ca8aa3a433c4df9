/**
 * contract.test - unchanged SendCloud clients, and every request of SendCloud's documentation, against our daemon
 *
 * The host is hard-coded in both packages. The HTTP library of `sendcloud` honours a proxy, and ours sends its requests to the daemon.
 * `nodemailer-sendcloud-transport` uses HTTPS, and its agent gets a socket to the daemon.
 */
import { createServer, request as httpRequest, type Server } from 'node:http'
import { globalAgent } from 'node:https'
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { API_KEY, API_USER, startDaemon, type Daemon } from './support/daemon.ts'
import { startWebhookReceiver, type WebhookReceiver } from './support/receiver.ts'

const load = createRequire(import.meta.url)

type Promised = (...args: readonly unknown[]) => Promise<unknown>
type SendCloud = Readonly<Record<'send' | 'sendEmailSmtp' | 'templateToOne', Promised>> & {
  readonly EmailList: Readonly<Record<'getEmailList' | 'createEmailList', Promised>>
  readonly ListMember: Readonly<Record<'getListMember' | 'addListMember', Promised>>
}

/** A proxy that sends every request to the daemon, whatever host it names. */
function startProxy(port: number): Promise<Server> {
  const server = createServer((request, response) => {
    const { pathname, search } = new URL(request.url ?? '/', 'http://sendcloud.example')
    const onward = httpRequest({ port, path: pathname + search, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    request.pipe(onward)
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

const envelope = z.object({ result: z.boolean(), statusCode: z.int(), message: z.string(), info: z.looseObject({}) })
const sent = z.object({ message: z.literal('success'), email_id_list: z.array(z.string()).optional() })
const refused = z.object({ message: z.literal('error'), errors: z.array(z.string()).min(1) })

describe('SendCloud clients', () => {
  let daemon: Daemon
  let proxy: Server
  let receiver: WebhookReceiver
  let client: SendCloud
  const createConnection = globalAgent.createConnection.bind(globalAgent)

  async function ask(path: string, init: RequestInit = {}): Promise<z.output<typeof envelope>> {
    const answer = await fetch(`http://127.0.0.1:${daemon.httpPort}${path}`, init)
    expect(answer.status).toBe(200)
    return envelope.parse(await answer.json())
  }
  const keyed = (parameters: string): string => `apiUser=${API_USER}&apiKey=${API_KEY}${parameters === '' ? '' : `&${parameters}`}`
  const statusOf = async (emailId: string): Promise<string[]> => {
    const { info } = await ask(`/api/data/emailStatus?${keyed(`days=1&emailIds=${encodeURIComponent(emailId)}`)}`)
    return z
      .array(z.object({ recipients: z.string() }))
      .parse(info['voList'])
      .map(({ recipients }) => recipients)
  }

  beforeAll(async () => {
    daemon = await startDaemon({ env: { BOUNCED_WEBHOOKS_ALLOW_PRIVATE: 'true' } })
    proxy = await startProxy(daemon.httpPort)
    receiver = await startWebhookReceiver()
    process.env['http_proxy'] = `http://127.0.0.1:${portOf(proxy)}`
    globalAgent.createConnection = () => connect(daemon.httpPort, '127.0.0.1')
    // Checked cast: the package has no types; `SendCloud` lists the members that are called.
    const Client = load('sendcloud') as new (...args: readonly string[]) => SendCloud
    client = new Client(API_USER, API_KEY, 'news@example.com', 'News')
  })
  afterAll(async () => {
    delete process.env['http_proxy']
    globalAgent.createConnection = createConnection
    proxy.close()
    await receiver.close()
    await daemon.stop()
  })

  test('sendcloud sends', async () => {
    expect(sent.parse(await client.send('joe@example.org;ann@example.org', 'Hello', '<p>Hello</p>', {}))).toEqual({ message: 'success' })
    const { email_id_list: ids = [] } = sent.parse(await client.send('joe@example.org', 'Hello', '<p>Hello</p>', { resp_email_id: 'true' }))
    expect(await statusOf(ids[0] ?? '')).toEqual(['joe@example.org'])
  })

  test('nodemailer-sendcloud-transport sends', async () => {
    const answer = z.string().parse(await client.sendEmailSmtp('joe@example.org', 'Hello', '<p>Hello</p>'))
    expect(sent.parse(JSON.parse(answer))).toEqual({ message: 'success' })
  })

  const failures = [
    [
      'a wrong key',
      () => new (Object.getPrototypeOf(client).constructor)(API_USER, 'wrong', 'news@example.com').send('joe@example.org', 'x', 'x'),
    ],
    ['no address', () => client.send('joe@example.org', 'Hello', '<p>x</p>', { from: 'nobody' })],
    ['a template', () => client.templateToOne('joe@example.org', 'Hello', 'welcome', {})],
    ['address lists', () => client.EmailList.getEmailList()],
    ['a new address list', () => client.EmailList.createEmailList('all@example.com', 'all')],
    ['members of an address list', () => client.ListMember.getListMember('all@example.com')],
    ['a new member', () => client.ListMember.addListMember('all@example.com', 'joe@example.org', 'Joe')],
  ] as const
  test.each(failures)('sendcloud gets an error: %s', async (_, call) => {
    expect(refused.parse(await call()).message).toBe('error')
  })

  const multipart = (fields: Readonly<Record<string, string>>): FormData => {
    const form = new FormData()
    for (const [name, value] of Object.entries({ apiUser: API_USER, apiKey: API_KEY, ...fields })) form.set(name, value)
    return form
  }

  test('mail/send as multipart/form-data with an attachment', async () => {
    const form = multipart({ from: 'news@example.com', to: 'joe@example.org', subject: 'Hello', html: '<p>Hello</p>', labelName: 'news' })
    form.set('attachments', new Blob(['a,b']), 'list.csv')
    const { statusCode, info } = await ask('/api/mail/send', { method: 'POST', body: form })
    expect([statusCode, z.array(z.string()).parse(info['emailIdList']).length]).toEqual([200, 1])
  })

  /** The documented requests with our values. The order matters: some requests need what earlier ones created. */
  const documented = [
    // operation            parameters                                                                 code
    ['mail/send', 'from=news@example.com&to=ben@example.org;joe@example.org&subject=Hello&html=<p>Hello</p>&fromName=News', 200],
    [
      'mail/send',
      `from=news@example.com&subject=Hello&html=Hello %name%&xsmtpapi=${encodeURIComponent('{"to":["ben@example.org"],"sub":{"%name%":["Ben"]}}')}`,
      200,
    ],
    ['data/emailStatus', 'days=1&email=ben@example.org', 200],
    ['data/emailStatus', 'startDate=2026-01-01&endDate=2026-01-03&start=0&limit=30', 200],
    ['data/emailStatus', 'days=1&apiUserList=tester;other&labelId=1', 200],
    ['data/emailStatus', 'days=1&labelName=new', 200],
    ['data/emailStatus', 'days=1&status=4&subStatus=401;406', 200],
    ['bounce/list', 'days=30&start=0&limit=3', 200],
    ['bounce/list', 'startDate=2026-01-01&endDate=2026-01-31', 200],
    ['bounce/list', 'email=joe@example.org', 200],
    ['bounce/count', 'days=30', 200],
    ['bounce/delete', 'email=joe@example.org', 40601],
    ['bounce/delete', 'startDate=2026-01-01&endDate=2026-01-02', 40601],
    ['complaint/list', 'days=30&start=0&limit=3', 200],
    ['complaint/count', 'days=30', 200],
    ['complaint/delete', 'email=joe@example.org', 200],
    ['spamreported/list', 'days=30&start=0&limit=3', 200],
    ['spamreported/delete', 'email=joe@example.org', 200],
    ['unsubscribe/add', 'email=joe@example.org', 40401],
    ['unsubscribe/list', 'days=30&start=0&limit=3', 200],
    ['unsubscribe/list', 'days=30&apiUserList=tester;other&labelIdList=1;2', 200],
    ['unsubscribe/count', 'days=30', 200],
    ['unsubscribe/delete', 'email=joe@example.org', 40403],
    ['block/add', 'apiUserBlock=tester&email=ben@example.org&expireTime=2099-01-01 00:00:00', 200],
    ['block/add', 'domainName=example.net', 200],
    ['block/list', 'apiUserBlock=tester&domainName=example.net&email=ben@example.org&days=100&start=0&limit=3', 200],
    ['block/list', 'days=100&start=0&limit=3', 40006],
    ['block/delete', 'email=ben@example.org', 200],
    ['block/delete', 'domainName=example.net', 200],
    ['unintercept/add', 'apiUserName=all&email=ben@example.org&domainName=example.net', 200],
    ['unintercept/list', 'apiUserName=tester&domainName=example.net&email=ben@example.org&start=0&limit=2', 200],
    ['unintercept/delete', 'email=ben@example.org&domainName=example.net', 200],
    ['statday/list', 'days=2&domainList=example.org;example.net', 200],
    ['statday/list', 'startDate=2026-02-01&endDate=2026-02-28&apiUserList=tester;other', 200],
    ['statday/list', 'startDate=2026-02-01&endDate=2026-02-28&apiUserList=tester;other&aggregate=1', 200],
    ['stathour/list', 'days=2', 200],
    ['stathour/list', 'startDate=2026-02-01&endDate=2026-02-28&apiUserList=tester;other', 200],
    ['invalidstat/list', 'startDate=2026-03-12&endDate=2026-03-12', 200],
    ['openandclick/list', 'days=30&start=0&limit=3', 200],
    ['openandclick/list', 'days=100&start=0&limit=3', 40006],
    ['label/add', 'labelName=spring', 200],
    ['label/list', 'query=spring&start=0&limit=2', 200],
    ['label/get', 'labelId=1', 200],
    ['label/update', 'labelId=1&labelName=summer', 200],
    ['label/delete', 'labelId=2', 200],
    ['userinfo/get', '', 200],
    ['webhook/add', 'url=RECEIVER&event=1,4,5&categoryName=all', 200],
    ['webhook/list', '', 200],
    ['webhook/update', 'url=RECEIVER&event=1,3,4,5', 200],
    ['webhook/delete', 'url=RECEIVER', 200],
  ] as const
  const encodings = (path: string, parameters: string): readonly (readonly [string, RequestInit])[] => {
    const values = new URLSearchParams(keyed(parameters))
    return [
      [`${path}?${values.toString()}`, {}],
      [path, { method: 'POST', body: values }],
      [path, { method: 'POST', body: multipart(Object.fromEntries(values)) }],
    ]
  }
  /** Operations that cannot be repeated with another encoding. */
  const once = new Set(['label/add', 'label/delete', 'webhook/add', 'webhook/delete'])

  test.each(documented)('%s?%s gives %i by query, form and multipart, under both prefixes', async (operation, parameters, code) => {
    const given = parameters.replaceAll('%name%', '%25name%25').replace('RECEIVER', encodeURIComponent(receiver.url))
    const requests = ['/api', '/apiv2'].flatMap((prefix) => encodings(`${prefix}/${operation}`, given))
    const tried = once.has(operation) ? requests.slice(0, 1) : requests
    const codes: number[] = []
    for (const [path, init] of tried) codes.push((await ask(path, init)).statusCode)
    expect(codes).toEqual(tried.map(() => code))
  })

  test('the queue status in the legacy envelope', async () => {
    const answer = await fetch(`http://127.0.0.1:${daemon.httpPort}/webapi/queueStatus.get.json?api_user=${API_USER}&api_key=${API_KEY}`)
    expect(await answer.json()).toMatchObject({ message: 'success', queueStatus: expect.any(Array) })
  })
})
