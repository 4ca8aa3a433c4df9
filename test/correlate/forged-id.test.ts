/** forged-id.test - an id of our form counts only at domains of ours, only with a wrong MAC, and once for a mail */
import { expect, test } from 'vitest'
import { formatDeliveryId } from '../../src/correlate/delivery-id.ts'
import { findForgedId } from '../../src/correlate/forged-id.ts'
import { deriveTokenKey } from '../../src/correlate/token-keys.ts'
import { mintToken, type TokenPurpose } from '../../src/correlate/token.ts'
import { parseReport } from '../../src/mail/report-parser.ts'
import { arf } from '../support/reports.ts'

const MASTER = Buffer.alloc(32, 7)
const DOMAINS = { returnPath: ['bounce.example.com'], feedback: ['fbl.example.com'] }
const keyFor = (account: number, index: number): Uint8Array => deriveTokenKey(MASTER, account, index)
const mint = (purpose: TokenPurpose, domain: string, account: number): string =>
  mintToken({
    key: keyFor(account, 0),
    keyIndex: 0,
    deliveryId: formatDeliveryId({ day: 2_500, account: 1, sequence: 5 }) ?? '',
    purpose,
    domain,
  }) ?? ''
const PATH = (account: number): string => `${mint('return-path', 'bounce.example.com', account)}@bounce.example.com`
const ID = (account: number, domain = 'news.example.com'): string => `${mint('message-id', domain, account)}@${domain}`
const reported = (line: string) => parseReport(Buffer.from(arf({ recipient: 'a@example.org' }).replace('CFBL-Feedback-ID: nobody', line)))

test.each([
  // what                                    rcpt                               reported header                               number
  ['our own Return-Path', PATH(1), 'X: y', null],
  ['a forged Return-Path', PATH(2), 'X: y', 1],
  ['a forged one at another domain', PATH(2).replace('bounce.example.com', 'bounce.example.net'), 'X: y', null],
  ['a forged returned Return-Path', 'fbl@fbl.example.com', `Return-Path: <${PATH(2)}>`, 1],
  ['our own Message-ID', 'fbl@fbl.example.com', `Message-ID: <${ID(1)}>`, null],
  ['a forged Message-ID', 'fbl@fbl.example.com', `Message-ID: <${ID(2)}>`, 1],
  ['a forged Message-ID at a domain of nobody', 'fbl@fbl.example.com', `Message-ID: <${ID(2, 'example.net')}>`, null],
  ['a truncated token', PATH(2).slice(4), 'X: y', null],
  ['an address of a person', 'postmaster@bounce.example.com', 'Message-ID: <1@news.example.com>', null],
])('%s', (_what, rcpt, line, number) => {
  const senderDomains = new Set(['news.example.com'])
  expect(findForgedId({ report: reported(line), rcpt, domains: DOMAINS, senderDomains, keyFor })).toBe(number)
})
