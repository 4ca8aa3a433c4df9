/**
 * alerts - lists alerts and the thresholds in force
 *
 * An account sees its own alerts; the operator sees all. Thresholds are changed in the account settings (`alertRules`).
 *
 * See also: service/alerts/alerts, ledger/alert/alert-rules, docs/ALERTS.md.
 */
import { z } from 'zod'
import type { AlertRow } from '../../ledger/alert/alert.ts'
import { ALERT_NAMES, ALERT_RULES } from '../../ledger/alert/alert-rules.ts'
import type { AlertService } from '../services/alerts.ts'
import type { Authorizer } from '../server/authorize.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

type AlertRouteDependencies = { readonly alerts: AlertService; readonly authorizer: Authorizer }

const alertView = z.object({
  account: z.int().describe('0 for an alert of the operator'),
  alert: z.enum(ALERT_NAMES),
  about: z.string().describe('An endpoint, a backoff key, or a feedback loop; empty if the alert is about the account'),
  state: z.enum(['raised', 'clear']),
  since: z.string(),
  unit: z.enum(['share', 'minutes', 'hours']),
  value: z.number().nullable().describe('The latest measurement, in `unit`'),
  volume: z.number(),
  raise: z.number().nullable().describe('Null if the alert is turned off'),
  clear: z.number().nullable(),
  minimum: z.number().nullable(),
})

const alertRuleView = z.object({
  alert: z.enum(ALERT_NAMES),
  scope: z.enum(['account', 'operator']),
  unit: z.enum(['share', 'minutes', 'hours']),
  what: z.string(),
  on: z.boolean(),
  raise: z.number().nullable(),
  clear: z.number().nullable(),
  minimum: z.number().nullable().describe('The minimum volume'),
  of: z.string().describe('What the volume counts'),
})

const listQuery = strictObject({ ...operatorQuery, state: z.enum(['raised', 'clear', 'any']).default('raised') })

const tags = ['alerts']

export function addAlertRoutes(server: HttpServer, { alerts, authorizer }: AlertRouteDependencies): void {
  const list = { summary: 'List alerts', tags, querystring: listQuery, response: { 200: z.object({ alerts: z.array(alertView) }) } }
  server.get('/v1/alerts', { schema: list }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const { state } = request.query
    const rows = await alerts.list(caller?.account ?? null)
    return { alerts: rows.filter((row) => row.change > 0 && (state === 'any' || row.state === state)).map(toAlertView) }
  })
  const rules = {
    summary: 'List the alert thresholds in force',
    tags,
    querystring: strictObject(operatorQuery),
    response: { 200: z.object({ rules: z.array(alertRuleView) }) },
  }
  server.get('/v1/alerts/rules', { schema: rules }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const thresholds = await alerts.getThresholds(account)
    const ruleViews = ALERT_NAMES.map((alert) => {
      const { scope, unit, what, of } = ALERT_RULES[alert]
      const threshold = thresholds[alert] ?? null
      const { raise = null, clear = null, minimum = null } = threshold ?? {}
      return { alert, scope, unit, what, of, on: threshold !== null, raise, clear, minimum }
    })
    return { rules: ruleViews }
  })
}

function toAlertView({ account, alert, about, state, since, data }: AlertRow): z.output<typeof alertView> {
  const { raise = null, clear = null, minimum = null } = data.threshold ?? {}
  const { unit } = ALERT_RULES[alert]
  return { account, alert, about, state, since: toIsoTimestamp(since), unit, value: data.value, volume: data.volume, raise, clear, minimum }
}
