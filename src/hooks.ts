/**
 * hooks - what leaves for the accounts' own servers, made and joined: webhooks, and the mail that came for them
 *
 * See also: app (starts and ends it), settings/hooks.
 */
import { accountOf } from './accounts.ts'
import { createMailLinks } from './edge/maillink.ts'
import { createMailReader } from './edge/mailreader.ts'
import { createPoster } from './edge/post.ts'
import { createTargetGuard } from './edge/target.ts'
import { Fault, isRetryable } from './error.ts'
import type { Opening } from './opening.ts'
import type { Settings } from './settings.ts'
import { CONNECTIONS, createNotifier, startNotifier } from './work/notify.ts'
import { createRouteDoor, type RouteDoor } from './work/route.ts'
import { createRouteBodies } from './work/routebody.ts'
import { addRoute, createRoutes, type Routes } from './work/routes.ts'
import { createWebhooks, type Webhooks } from './work/webhooks.ts'

export type Hooks = {
  readonly webhooks: Webhooks
  readonly routes: Routes
  readonly routeDoor: RouteDoor
  /** Sends from now on; the answer ends it. */
  readonly start: () => () => Promise<void>
  /** Gives back what a start that failed holds. */
  readonly close: () => Promise<void>
}

/** Makes all of it; nothing is sent until `start`. */
export function createHooks({ shop, vault, master }: Opening, { webhooks: rules, route }: Settings): Hooks {
  const guard = createTargetGuard(rules)
  const poster = createPoster(guard, { connections: CONNECTIONS })
  const reader = createMailReader()
  const links = createMailLinks(master)
  const routeBodies = createRouteBodies(shop, { reader, links, rules: route })
  const notifier = createNotifier(shop, { vault, poster, routeBodies, ...rules })
  const close = async (): Promise<void> => {
    await Promise.all([poster.close(), reader.close()])
  }
  return {
    webhooks: createWebhooks(shop, { vault, guard, poster }),
    routes: createRoutes(shop, links),
    routeDoor: createRouteDoor(shop),
    start: () => {
      const stop = startNotifier(notifier)
      return () => stop().then(close)
    },
    close,
  }
}

/** Gives the domains of the settings to their accounts. Faults: config_invalid, naming the one that cannot be. */
export async function claimRoutes({ shop }: Opening, { route, apiUser }: Settings): Promise<void> {
  for (const said of route.domains) {
    const [domain = '', owner = apiUser] = said.split('=')
    const account = await accountOf(shop.engine.read, owner)
    if (account === null) throw new Fault('config_invalid', `route.domains: no account has the apiUser "${owner}"`)
    try {
      await addRoute(shop, account, domain)
    } catch (cause) {
      if (!(cause instanceof Fault) || isRetryable(cause)) throw cause
      throw new Fault('config_invalid', `route.domains: ${cause.message}`, { cause })
    }
  }
}
