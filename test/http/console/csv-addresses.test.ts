/**
 * csv-addresses.test - the addresses in a CSV file that somebody else wrote
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readCsvAddresses } from '../../../console/pages/suppressions/csv-addresses.ts'

const cases = [
  // text, addresses, rows without one
  ['address,reason\r\na@example.com,hard\r\nb@example.com,soft\r\n', ['a@example.com', 'b@example.com'], 0],
  ['a@example.com\nb@example.com', ['a@example.com', 'b@example.com'], 0],
  ['name;Email\nAnn;"a@example.com"\nBob;\n', ['a@example.com'], 1],
  ['\uFEFFemail\na@example.com\na@example.com\n\n', ['a@example.com'], 0],
  ['name,address\n"Ann ""A"", B",a@example.com', ['a@example.com'], 0],
  ["address\n'+a@example.com", ['+a@example.com'], 0],
  ['"a@example.com', ['a@example.com'], 0],
  ['', [], 0],
] as const

test.each(cases)('%j', (text, addresses, skipped) => expect(readCsvAddresses(text)).toEqual({ addresses, skipped }))

test('any text gives addresses with an @, each once', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const { addresses } = readCsvAddresses(text)
      expect(addresses.every((each) => each.includes('@'))).toBe(true)
      expect(new Set(addresses).size).toBe(addresses.length)
    }),
  )
})
