/**
 * paths - which paths under /v1 are EngageLab's; all others are our own API's
 *
 * The owner of a path decides the form of its errors, also of those that no route answers.
 *
 * Pure. See also: http/engagelab/routes, http/server/server.
 */

const ENGAGELAB_PATH =
  /^\/v1\/(?:email_status|bounces|complaints|unsubscribes|blocks|no_interceptions|mail\/send(?:_mime|template|calendar)?|labels(?:\/[^/]+)?|stats_day|stats_hour)\/?$/

/** Whether a URL, with or without a query, is one of EngageLab's. */
export const isEngageLabPath = (url: string): boolean => ENGAGELAB_PATH.test(url.replace(/[?#].*$/s, ''))
