/**
 * outbound-services - what leaves for the accounts' own servers, made and joined: webhooks, the mail that came for them, alerts
 *
 * See also: app (starts and ends it), settings/webhooks.
 */
import { accountOf } from './accounts.ts'
import { createMailLinks } from '../mail-auth/signed-mail-link.ts'
import { createMailer, type Mailer } from '../mail-auth/alert-mailer.ts'
import { createMailReader } from '../mail-auth/mime-reader.ts'
import { createPoster } from '../net/http-post.ts'
import { createTargetGuard } from '../net/ssrf-guard.ts'
import { Fault, isRetryable } from '../errors.ts'
import type { Opening } from './bootstrap.ts'
import type { Settings } from '../settings/schema.ts'
import { listAlerts, listAlertsForOperator } from '../store/alerts.ts'
import type { Telemetry } from '../telemetry.ts'
import type { Desk } from '../http/services.ts'
import { createAlerts, thresholdsOf } from '../service/alerts/alerts.ts'
import { CONNECTIONS, createNotifier, startNotifier } from '../service/notify/notifier.ts'
import { createRouteDoor, type RouteDoor } from '../service/forward/forward-mail.ts'
import { createRouteBodies } from '../service/forward/forward-body.ts'
import { addRoute, createRoutes, type Routes } from '../service/forward/forward-domains.ts'
import type { Shop } from '../service/context.ts'
import { createWebhooks, type Webhooks } from '../service/notify/webhooks.ts'

export type Hooks = {
  readonly webhooks: Webhooks
  readonly routes: Routes
  readonly routeDoor: RouteDoor
  readonly alerts: Desk['alerts']
  /** Evaluates the alerts and mails what changed. */
  readonly watch: () => Promise<void>
  /** Sends from now on; the answer ends it. */
  readonly start: () => () => Promise<void>
  /** Gives back what a start that failed holds. */
  readonly close: () => Promise<void>
}

/** Makes all of it; nothing is sent until `start`. */
export function createHooks({ shop, vault, master }: Opening, settings: Settings): Hooks {
  const { webhooks: rules, route } = settings
  const guard = createTargetGuard(rules)
  const poster = createPoster(guard, { connections: CONNECTIONS })
  const reader = createMailReader()
  const links = createMailLinks(master)
  const routeBodies = createRouteBodies(shop, { reader, links, rules: route })
  const notifier = createNotifier(shop, { vault, poster, routeBodies, ...rules })
  const mailer = mailerOf(settings, shop.telemetry)
  const alerts = createAlerts(shop, { rules: settings.alerts, mailer, operator: () => operatorOf(shop, settings) })
  const close = async (): Promise<void> => {
    mailer?.close()
    await Promise.all([poster.close(), reader.close()])
  }
  return {
    webhooks: createWebhooks(shop, { vault, guard, poster }),
    routes: createRoutes(shop, links),
    routeDoor: createRouteDoor(shop),
    alerts: {
      list: (account) => (account === null ? listAlertsForOperator(shop.engine.read) : listAlerts(shop.engine.read, account)),
      thresholds: async (account) => thresholdsOf(await shop.book.open(), settings.alerts, account),
    },
    watch: async () => {
      await alerts.evaluate()
      await alerts.mail()
    },
    start: () => {
      const stop = startNotifier(notifier)
      return () => stop().then(close)
    },
    close,
  }
}

/** The smart host of the settings; null where there is none. */
export function mailerOf({ alerts, returnPathDomain }: Settings, { log }: Telemetry): Mailer | null {
  if (alerts.smtp === undefined) return null
  return createMailer({ smtp: alerts.smtp, from: alerts.mailFrom ?? `alerts@${returnPathDomain}`, log })
}

/** Whose the installation's alerts are; 0: nobody's. */
async function operatorOf({ engine }: Shop, { alerts, apiUser }: Settings): Promise<number> {
  return alerts.account === 'none' ? 0 : ((await accountOf(engine.read, alerts.account ?? apiUser)) ?? 0)
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
