/**
 * alerts - reads the state of alerts and the thresholds in force
 *
 * See also: http/api/alerts, service/alerts/alerts (evaluates them), store/alerts.
 */
import type { AlertRow } from '../../ledger/alert/alert.ts'
import type { AlertThresholds } from '../../ledger/alert/alert-rules.ts'
import { thresholdsOf, type AlertRules } from '../../service/alerts/alerts.ts'
import type { Context } from '../../service/context.ts'
import { listAlerts, listAlertsForOperator } from '../../store/alerts.ts'

export type AlertService = {
  /** Account null: the alerts of all accounts and of the operator. */
  readonly list: (account: number | null) => Promise<readonly AlertRow[]>
  readonly getThresholds: (account: number) => Promise<AlertThresholds>
}

/** Creates the service. `rules` are the operator's changes of the default thresholds. */
export function createAlertService({ engine, accountCache }: Context, rules: AlertRules): AlertService {
  return {
    list: (account) => (account === null ? listAlertsForOperator(engine.read) : listAlerts(engine.read, account)),
    getThresholds: async (account) => thresholdsOf(await accountCache.snapshot(), rules, account),
  }
}
