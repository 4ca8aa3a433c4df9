/**
 * alerts - which alerts stand, and the thresholds in force
 *
 * An account sees its own; the operator sees everybody's. Thresholds are changed by the account's settings (alertRules).
 *
 * See also: service/alerts/alerts, ledger/alert/alert-rules, docs/ALERTS.md.
 */
import { z } from 'zod'
import type { AlertRow } from '../../ledger/alert/alert.ts'
import { ALERT_NAMES, ALERTS } from '../../ledger/alert/alert-rules.ts'
import type { Desk } from '../services.ts'
import { isoOf } from '../server/fact-view.ts'
import type { Guard } from '../server/authorize.ts'
import type { Web } from '../server/server.ts'
import { operatorQuery, strict } from '../server/schemas.ts'

const alertView = z.object({
  account: z.int().describe('0: the operator’s'),
  alert: z.enum(ALERT_NAMES),
  about: z.string().describe('An endpoint, a key of the queue, a feedback loop; empty where the account is meant'),
  state: z.enum(['raised', 'clear']),
  since: z.string(),
  value: z.number().nullable().describe('As it was measured last: a share, minutes or hours'),
  volume: z.number(),
  raise: z.number().nullable().describe('Null: nobody watches it'),
  clear: z.number().nullable(),
  minimum: z.number().nullable(),
})

const ruleView = z.object({
  alert: z.enum(ALERT_NAMES),
  scope: z.enum(['account', 'operator']),
  unit: z.enum(['share', 'minutes', 'hours']),
  what: z.string(),
  on: z.boolean(),
  raise: z.number().nullable(),
  clear: z.number().nullable(),
  minimum: z.number().nullable().describe('Least volume'),
  of: z.string().describe('What the volume counts'),
})

const query = strict({ ...operatorQuery, state: z.enum(['raised', 'clear', 'any']).default('raised') })

const tags = ['alerts']

export function addAlerts(server: Web, { desk, guard }: { readonly desk: Desk; readonly guard: Guard }): void {
  const list = {
    summary: 'Alerts that stand, or stood',
    tags,
    querystring: query,
    response: { 200: z.object({ alerts: z.array(alertView) }) },
  }
  server.get('/v1/alerts', { schema: list }, async (request) => {
    const asker = await guard.anyone(request)
    const { state } = request.query
    const rows = await desk.alerts.list(asker?.account ?? null)
    return { alerts: rows.filter((row) => row.change > 0 && (state === 'any' || row.state === state)).map(view) }
  })
  const rules = {
    summary: 'Thresholds in force',
    tags,
    querystring: strict(operatorQuery),
    response: { 200: z.object({ rules: z.array(ruleView) }) },
  }
  server.get('/v1/alerts/rules', { schema: rules }, async (request) => {
    const { account } = await guard.account(request)
    const thresholds = await desk.alerts.thresholds(account)
    const found = ALERT_NAMES.map((alert) => {
      const { scope, unit, what, of } = ALERTS[alert]
      const threshold = thresholds[alert] ?? null
      const { raise = null, clear = null, minimum = null } = threshold ?? {}
      return { alert, scope, unit, what, of, on: threshold !== null, raise, clear, minimum }
    })
    return { rules: found }
  })
}

function view({ account, alert, about, state, since, data }: AlertRow): z.output<typeof alertView> {
  const { raise = null, clear = null, minimum = null } = data.threshold ?? {}
  return { account, alert, about, state, since: isoOf(since), value: data.value, volume: data.volume, raise, clear, minimum }
}
