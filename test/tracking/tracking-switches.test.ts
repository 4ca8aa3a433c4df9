/** tracking-switches.test - which of account, API user and send decides each switch */
import { expect, test } from 'vitest'
import { resolveTrackingSwitches } from '../../src/tracking/tracking-switches.ts'

const OFF = { openTracking: 'off', clickTracking: 'off', unsubscribeFooter: 'off', apiUserTracking: [] } as const
const NEW = { ...OFF, openTracking: 'batch', clickTracking: 'on', unsubscribeFooter: 'batch' } as const
const NONE = { open: null, click: null, subscription: null }

test.each([
  // account                                                                   type       the send's options                    open   click  footer
  [OFF, 'batch', NONE, [false, false, false]],
  [NEW, 'trigger', NONE, [false, true, false]],
  [NEW, 'batch', NONE, [true, true, true]],
  [OFF, 'trigger', { open: true, click: true, subscription: true }, [true, true, true]],
  [NEW, 'batch', { open: false, click: false, subscription: false }, [false, false, false]],
  [NEW, 'batch', { open: null, click: false, subscription: null }, [true, false, true]],
  [{ ...NEW, apiUserTracking: ['news=open:on/unsubscribe:on'] }, 'trigger', NONE, [true, true, true]],
  [{ ...NEW, apiUserTracking: ['news=click:off'] }, 'batch', NONE, [true, false, true]],
  [{ ...NEW, apiUserTracking: ['other=click:off'] }, 'batch', NONE, [true, true, true]],
  [{ ...OFF, apiUserTracking: ['other=click:on', 'news=click:batch'] }, 'batch', NONE, [false, true, false]],
  [{ ...OFF, apiUserTracking: ['news=click:on'] }, 'trigger', { open: null, click: false, subscription: null }, [false, false, false]],
] as const)('%j with %s and %j gives %j', (account, emailType, tracking, [open, click, unsubscribeFooter]) => {
  expect(resolveTrackingSwitches(account, { apiUser: 'news', emailType, tracking })).toEqual({ open, click, unsubscribeFooter })
})
