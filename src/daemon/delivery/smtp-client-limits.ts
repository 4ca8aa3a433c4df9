/**
 * smtp-client-limits - the limits of the SMTP client, from the settings of the delivery queue
 *
 * See also: settings/delivery, smtp-client/step-timeouts, smtp-client/connection-pool.
 */
import type { Settings } from '../../settings/schema.ts'
import type { PoolLimits } from '../../smtp-client/connection-pool.ts'
import type { StepTimeouts } from '../../smtp-client/step-timeouts.ts'

type DeliverySettings = Settings['delivery']

/** The time limit of each step of an SMTP dialogue. */
export const smtpTimeoutsOf = (deliverySettings: DeliverySettings): StepTimeouts => ({
  connectMs: deliverySettings.connectSeconds * 1_000,
  greetingMs: deliverySettings.greetingSeconds * 1_000,
  commandMs: deliverySettings.commandSeconds * 1_000,
  blockMs: deliverySettings.blockSeconds * 1_000,
  endMs: deliverySettings.endSeconds * 1_000,
})

/** How long and for how many mails a connection is kept. */
export const connectionReuseOf = (deliverySettings: DeliverySettings): PoolLimits => ({
  mailsPerConnection: deliverySettings.connectionMails,
  idleTimeoutMs: deliverySettings.connectionIdleSeconds * 1_000,
  maxIdle: deliverySettings.idleConnections,
})
