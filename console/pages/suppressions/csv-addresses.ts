/**
 * csv-addresses - the addresses in a CSV file: the column `address` or `email`, otherwise the first one
 *
 * Commas, semicolons and tabs separate. Quotes are read as RFC 4180 writes them. A guard against formulas in front of a value is taken off.
 *
 * Pure, total. See also: service/export/csv (writes them).
 */

type Addresses = { readonly addresses: readonly string[]; readonly skipped: number }

/** Reads the addresses, each once. `skipped` counts rows without one. */
export function readCsvAddresses(text: string): Addresses {
  const rows = readRows(text.replace(/^\uFEFF/, ''))
  const head = rows[0]?.map((cell) => cell.trim().toLowerCase()) ?? []
  const column = head.findIndex((cell) => cell === 'address' || cell === 'email' || cell === 'recipient')
  const body = column >= 0 || !head.some((cell) => cell.includes('@')) ? rows.slice(1) : rows
  const cells = body
    .filter((row) => row.some((cell) => cell.trim() !== ''))
    .map((row) => (row[Math.max(column, 0)] ?? '').trim().replace(/^'(?=[=+@-])/, ''))
  const addresses = [...new Set(cells.filter((cell) => cell.includes('@') && cell.length <= 1_000))]
  return { addresses, skipped: cells.filter((cell) => !cell.includes('@') || cell.length > 1_000).length }
}

function readRows(text: string): readonly (readonly string[])[] {
  const separator = [',', ';', '\t'].find((each) => (text.split('\n', 1)[0] ?? '').includes(each)) ?? ','
  const rows: string[][] = []
  let [row, cell, isQuoted]: [string[], string, boolean] = [[], '', false]
  const endRow = (): void => {
    rows.push([...row, cell])
    row = []
    cell = ''
  }
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at)
    if (isQuoted) {
      if (character !== '"') cell += character
      else if (text[at + 1] === '"') cell += text.charAt(++at)
      else isQuoted = false
    } else if (character === '"' && cell === '') isQuoted = true
    else if (character === separator) {
      row.push(cell)
      cell = ''
    } else if (character === '\n') endRow()
    else if (character !== '\r') cell += character
  }
  if (cell !== '' || row.length > 0) endRow()
  return rows
}
