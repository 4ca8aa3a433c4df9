/**
 * x-smtpapi.test - the extension is parsed or refused as a whole, from JSON, base64 and folded headers
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_XSMTPAPI_RECIPIENTS, readXSmtpApi, variablesOfRecipient } from '../../src/compose/x-smtpapi.ts'

const many = (count: number): string[] => Array.from({ length: count }, (_, n) => `r${n}@example.com`)
const UNTRACKED = { open: null, click: null, subscription: null }
const NOTHING = { to: null, sub: {}, section: {}, tracking: UNTRACKED }
const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64')

const GOOD = [
  // text                                                       result, with defaults for the rest
  ['{}', {}],
  [JSON.stringify({ to: ['a@example.com', 'b@example.com'] }), { to: ['a@example.com', 'b@example.com'] }],
  [base64({ to: ['a@example.com'] }), { to: ['a@example.com'] }],
  [base64({ to: many(20) }).replaceAll(/(.{70})/g, '$1\r\n '), { to: many(20) }],
  ['{"to":\r\n ["a@example.com"],\r\n\t"sub": {}}', { to: ['a@example.com'] }],
  ['{"to":["a@example.com"],"sub":{"%n%":["Ann"],"%k%":[7]}}', { to: ['a@example.com'], sub: { '%n%': ['Ann'], '%k%': ['7'] } }],
  ['{"sub":{"%n%":["Ann","Bob"]}}', { sub: { '%n%': ['Ann', 'Bob'] } }],
  ['{"section":{"%s%":"text"}}', { section: { '%s%': 'text' } }],
  ['{"section":{"silver":"S","gold member":"G","-x-":"X"}}', { section: { '%silver%': 'S', '%gold member%': 'G', '-x-': 'X' } }],
  ['{"section":{"%silver%":"full","silver":"bare"}}', { section: { '%silver%': 'full' } }],
  ['{"section":{"%a%":7,"%b%":null,"%c%":true}}', { section: { '%a%': '7', '%b%': '', '%c%': 'true' } }],
  ['{"to":null,"sub":null,"section":null,"pubsub":null,"filters":null}', {}],
  ['{"sub":{"%n%":[null,7,1.5,false]}}', { sub: { '%n%': ['', '7', '1.5', 'false'] } }],
  ['{"pubsub":{"%p%":"P","%q%":["Q"],"%r%":5,"%s%":null}}', { section: { '%p%': 'P', '%q%': 'Q', '%r%': '5', '%s%': '' } }],
  ['{"pubsub":{"%p%":"to %silver%"},"section":{"silver":"S of %n%"}}', { section: { '%p%': 'to S of %n%', '%silver%': 'S of %n%' } }],
  ['{"pubsub":{"%p%":"P"},"section":{"silver":"S and %p%"}}', { section: { '%p%': 'P', '%silver%': 'S and P' } }],
  ['{"filters":{"open_tracking":{"settings":{"enable":"0"}}}}', { tracking: { ...UNTRACKED, open: false } }],
  ['{"filters":{"click_tracking":{"settings":{"enable":1}}}}', { tracking: { ...UNTRACKED, click: true } }],
  ['{"filters":{"subscription_tracking":{"settings":{"enable":"1"}},"other":{}}}', { tracking: { ...UNTRACKED, subscription: true } }],
  ['{"unknown":{"deep":[1,2]}}', {}],
  [JSON.stringify({ to: many(MAX_XSMTPAPI_RECIPIENTS) }), { to: many(MAX_XSMTPAPI_RECIPIENTS) }],
] as const

test.each(GOOD)('%j', (text, want) => expect(readXSmtpApi(text)).toEqual({ ok: true, value: { ...NOTHING, ...want } }))

const BAD = [
  // text                                                     why
  ['', 'invalid'],
  ['nonsense', 'invalid'],
  ['{', 'invalid'],
  ['[]', 'invalid'],
  ['"to"', 'invalid'],
  ['bm8gSlNPTg==', 'invalid'],
  ['{"to":"a@example.com"}', 'invalid'],
  ['{"to":[]}', 'invalid'],
  ['{"to":[1]}', 'invalid'],
  ['{"to":[" "]}', 'invalid'],
  ['{"to":["a@example.com"],"sub":{"%n%":["Ann","Bob"]}}', 'invalid'],
  ['{"to":["a@example.com"],"sub":{"%n%":"Ann"}}', 'invalid'],
  ['{"sub":[]}', 'invalid'],
  ['{"sub":{"":["x"]}}', 'invalid'],
  ['{"section":{"%s%":{}}}', 'invalid'],
  ['{"pubsub":{"%p%":["P","Q"]}}', 'invalid'],
  ['{"pubsub":{"%p%":[]}}', 'invalid'],
  ['{"pubsub":{"%p%":{}}}', 'invalid'],
  ['{"pubsub":["P"]}', 'invalid'],
  [JSON.stringify({ pubsub: { '%p%': 'x'.repeat(2_000) }, section: { '%s%': '%p%'.repeat(600) } }), 'invalid'],
  ['{"sub":{"%n%":["A\\u0000nn"]}}', 'invalid'],
  ['{"section":{"%n%":"A\\u0000nn"}}', 'invalid'],
  ['{"filters":[]}', 'invalid'],
  ['{"filters":{"open_tracking":{"settings":{"enable":"yes"}}}}', 'invalid'],
  [JSON.stringify({ section: Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`%${'n'.repeat(90)}${n}%`, 'x'])) }), 'invalid'],
  [JSON.stringify({ to: many(MAX_XSMTPAPI_RECIPIENTS + 1) }), 'recipients'],
] as const

test.each(BAD)('%j is refused: %s', (text, problem) => expect(readXSmtpApi(text)).toEqual({ ok: false, problem }))

test('the total length of all names is limited', () => {
  const named = (count: number): string =>
    JSON.stringify({ sub: Object.fromEntries(Array.from({ length: count }, (_, n) => [String(n).padEnd(128, 'x'), ['v']])) })
  expect([readXSmtpApi(named(128)).ok, readXSmtpApi(named(129)).ok]).toEqual([true, false])
})

test('the variables of one recipient', () => {
  expect(variablesOfRecipient({ '%n%': ['Ann', 'Bob'] }, 1)).toEqual({ '%n%': 'Bob' })
  expect(variablesOfRecipient({}, 0)).toEqual({})
})

test('names of JavaScript built-ins are ordinary names', () => {
  const read = readXSmtpApi('{"to":["a@example.com"],"sub":{"__proto__":["x"],"constructor":["y"]}}')
  expect(read.ok && variablesOfRecipient(read.value.sub, 0)).toEqual(
    Object.fromEntries([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]),
  )
})

test('total: any text and any JSON give a value', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => typeof readXSmtpApi(text).ok === 'boolean'))
  const part = fc.jsonValue({ maxDepth: 4 })
  fc.assert(
    fc.property(fc.record({ to: part, sub: part, section: part, filters: part }, { requiredKeys: [] }), (value) => {
      const text = JSON.stringify(value)
      expect(readXSmtpApi(base64(value))).toEqual(readXSmtpApi(text))
    }),
  )
})

test('folding between tokens does not change the result', () => {
  const value = { to: many(3), sub: { '%n%': ['a', 'b', 'c'] }, section: { '%s%': 'x' } }
  const folds = fc.constantFrom('', '\r\n ', '\n\t', ' ')
  fc.assert(
    fc.property(fc.array(folds, { minLength: 100, maxLength: 100 }), (gaps) => {
      const text = JSON.stringify(value).replaceAll(/[[\]{},:](?=["[{\]}]|$)/g, (mark, at: number) => mark + (gaps[at % 100] ?? ''))
      expect(readXSmtpApi(text)).toEqual(readXSmtpApi(JSON.stringify(value)))
    }),
  )
})
