/**
 * compatible-routes - the routes of the SendCloud and EngageLab APIs, as the server registers them
 */
import { addEngageLabRoutes } from '../../src/http/engagelab/routes.ts'
import { addQueueStatusRoute } from '../../src/http/sendcloud/queue-status.ts'
import { createResponseCache } from '../../src/http/sendcloud/response-cache.ts'
import { addSendCloudRoutes } from '../../src/http/sendcloud/routes.ts'
import { makeRouteBench, type TestRequest } from './bench.ts'
import { FAKE_SERVICES } from './fake-services.ts'

type Route = { readonly method: NonNullable<TestRequest['method']>; readonly url: string }

const isMethod = (text: string): text is Route['method'] => ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].includes(text)

/** Every route of the two APIs, one entry per method. */
export async function listCompatibleRoutes(): Promise<readonly Route[]> {
  const routes: Route[] = []
  const responseCache = createResponseCache({
    mode: 'off',
    now: FAKE_SERVICES.now,
    readGeneration: () => 0,
    readCommitStamp: FAKE_SERVICES.readCommitStamp,
  })
  const { server } = await makeRouteBench((httpServer, _authorizer, { authenticator, telemetry }) => {
    httpServer.addHook('onRoute', ({ method, url }) => {
      for (const each of [method].flat()) if (isMethod(each) && !url.includes('*')) routes.push({ method: each, url })
    })
    const sendCloud = { services: FAKE_SERVICES, authenticator, telemetry, maxStatusDays: 3, responseCache }
    addSendCloudRoutes(httpServer, sendCloud)
    addQueueStatusRoute(httpServer, sendCloud)
    addEngageLabRoutes(httpServer, { services: FAKE_SERVICES, authenticator, telemetry })
  })
  await server.ready()
  await server.close()
  return routes
}

/** The names of the SendCloud operations, such as `bounce/list`. */
export async function listSendCloudOperations(): Promise<readonly string[]> {
  const routes = await listCompatibleRoutes()
  return routes.filter(({ method, url }) => method === 'GET' && url.startsWith('/api/')).map(({ url }) => url.slice('/api/'.length))
}

/** The routes of the EngageLab API. */
export async function listEngageLabRoutes(): Promise<readonly Route[]> {
  return (await listCompatibleRoutes()).filter(({ url }) => url.startsWith('/v1/'))
}
