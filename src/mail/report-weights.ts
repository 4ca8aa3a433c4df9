/**
 * report-weights - the weight of each indicator of a delivery report
 *
 * Fitted, not tuned by hand: `npm run bench -- weights --write` makes this file by logistic regression (bench/logistic).
 * `npm run bench -- accuracy` scores each corpus with the weights that were fitted to the others.
 *
 * Pure data. See also: mail/report-evidence (the indicators), bench/weights.
 */

/** What the weights were fitted to: 1563 mails of 13 corpora, of which 1268 are reports, with an L2 penalty of 0.05. */
export const REPORT_THRESHOLD = 3.62

export const INDICATOR_WEIGHTS = {
  'status-groups': 2.27,
  'status-report': 1.89,
  'report-type': 1.89,
  'failed-recipients': 0.06,
  'ndr-field': 0.04,
  'null-sender': 1.42,
  'daemon-box': 2.44,
  'daemon-name': 3.76,
  subject: 2,
  'auto-submitted': 0,
  'auto-failure': 0.01,
  'writer-header': 2.16,
  'writer-words': 2.66,
  sections: 0,
  'failing-address': 0,
  'failure-list': 0.26,
  returned: 1.47,
  'no-address': -3.2,
  'no-address-and-a-reader': -4.03,
  'operator-notice': -6.82,
  stranger: -0.94,
  forwarded: -0.25,
  answered: -2.35,
  person: -2.87,
  bulk: -5.59,
  'answer-subject': -1.08,
  challenge: -0.37,
} as const satisfies Record<string, number>

export type IndicatorId = keyof typeof INDICATOR_WEIGHTS
