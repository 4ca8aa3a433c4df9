/**
 * data-table - a list as a table that sorts and pages, and that becomes one block a row on a narrow screen
 *
 *     html`<${DataTable} caption=${t('users')} columns=${columns} rows=${rows} rowKey=${(row) => row.name} list=${list} empty=${…} />`
 *
 * Sorting is in the URL (`sort=name`, `sort=-name`). A list that the daemon pages is sorted page by page; the heading says so. While rows are read again
 * the old ones stay. A column without `sortBy` is not sorted.
 *
 * See also: app/page-table (paging), components/empty-state.
 */
import { useEffect, useRef } from 'preact/hooks'
import type { ApiProblem } from '../api/client.ts'
import type { PagedList } from '../app/page-table.ts'
import { queryValue, withQuery } from '../app/router.ts'
import { common } from '../texts/common-texts.ts'
import { html, type Child, type View } from './html.ts'
import { Icon } from './icon.ts'
import { ProblemNote } from './note.ts'

export type Column<Row> = {
  /** Stands in the URL. */
  readonly key: string
  readonly title: string
  readonly cell: (row: Row) => Child
  /** What the column is sorted by; null sorts last. */
  readonly sortBy?: (row: Row) => string | number | boolean | null
  readonly isNumber?: boolean
  /** The cell names the row for screen readers. One column at most. */
  readonly isHeading?: boolean
  /** Buttons and links; the title is for screen readers alone. */
  readonly isActions?: boolean
  /** A text of any length, of which three lines are shown; the page of the row has all of it. */
  readonly isClamped?: boolean
}

type DataTableProps<Row> = {
  readonly caption: string
  readonly columns: readonly Column<Row>[]
  /** Null: not read yet. */
  readonly rows: readonly Row[] | null
  readonly rowKey: (row: Row) => string
  /** Shown instead of a table without rows. */
  readonly empty: Child
  /** The list behind the rows, with its pages if it has any. */
  readonly list: {
    readonly isLoading: boolean
    readonly problem: ApiProblem | null
    readonly refresh: () => void
    readonly pages?: PagedList<{ readonly next: string | null }>['pages']
  }
  /** The name of the sort in the URL, if a page has more than one table. */
  readonly sortName?: string
}

export function DataTable<Row>(props: DataTableProps<Row>): View {
  const { columns, rows, empty, list, sortName = 'sort' } = props
  const isPaged = list.pages !== undefined && (list.pages.next !== null || list.pages.first !== null)
  const sorted = rows === null ? [] : sortRows(rows, columns, queryValue(sortName))
  const box = useFocusKept(rows)
  const busy = list.isLoading ? html`<div class="busy-line"></div>` : null
  if (rows === null)
    return html`<div class="table-box">
      ${busy}
      <div class="empty">
        ${list.problem === null ? common('loading') : null} <${ProblemNote} problem=${list.problem} onRetry=${list.refresh} />
      </div>
    </div>`
  return html`<div class="table-box" aria-busy=${list.isLoading} tabindex="-1" ...${box}>
    ${busy} ${list.problem === null ? null : html`<${ProblemNote} problem=${list.problem} onRetry=${list.refresh} />`}
    ${
      rows.length === 0
        ? empty
        : html`<div class="table-scroll"><${Table} ...${props} rows=${sorted} isPaged=${isPaged} sortName=${sortName} /></div>`
    }
    ${rows.length === 0 && !isPaged ? null : html`<${TableFoot} count=${rows.length} pages=${list.pages} />`}
  </div>`
}

/** Where the row with the focus is gone, the table has it: the next Tab goes on from there. */
function useFocusKept(rows: unknown): object {
  const [box, isInside] = [useRef<HTMLDivElement>(null), useRef(false)]
  useEffect(() => {
    if (isInside.current && document.activeElement === document.body) box.current?.focus({ preventScroll: true })
  }, [rows])
  // An element that is removed loses the focus to nothing.
  const leave = ({ relatedTarget }: FocusEvent): void => void (isInside.current = relatedTarget === null)
  return { ref: box, onFocusIn: () => (isInside.current = true), onFocusOut: leave }
}

type TableProps<Row> = Pick<DataTableProps<Row>, 'caption' | 'columns' | 'rowKey'> & {
  readonly rows: readonly Row[]
  readonly sortName: string
  readonly isPaged: boolean
}

const Table = <Row>({ caption, columns, rows, rowKey, sortName, isPaged }: TableProps<Row>): View =>
  html`<table class="stacks" role="table">
    <caption class="hidden-text">
      ${caption}
    </caption>
    <thead role="rowgroup">
      <tr role="row">
        ${columns.map((column) => html`<${HeadCell} key=${column.key} column=${column} sortName=${sortName} isPaged=${isPaged} />`)}
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${rows.map(
        (row) =>
          html`<tr role="row" key=${rowKey(row)}>
            ${columns.map((column) => cellOf(column, row))}
          </tr>`,
      )}
    </tbody>
  </table>`

function cellOf<Row>({ key, title, cell, isNumber, isHeading, isActions, isClamped }: Column<Row>, row: Row): View {
  const name = [isNumber === true ? 'end' : '', isActions === true ? 'actions' : ''].join(' ').trim()
  // The cell is an element of its own: on a narrow screen the title stands before it.
  const content = html`<div class=${isClamped === true ? 'clamped' : ''}>${cell(row)}</div>`
  return isHeading === true
    ? html`<th key=${key} scope="row" role="rowheader" class=${name} data-title=${title}>${content}</th>`
    : html`<td key=${key} role="cell" class=${name} data-title=${isActions === true ? '' : title}>${content}</td>`
}

type HeadCellProps<Row> = { readonly column: Column<Row>; readonly sortName: string; readonly isPaged: boolean }

function HeadCell<Row>({ column, sortName, isPaged }: HeadCellProps<Row>): View {
  const { key, title, sortBy, isNumber, isActions } = column
  const name = isNumber === true ? 'end' : ''
  if (isActions === true) return html`<th scope="col" role="columnheader" class="actions"><span class="hidden-text">${title}</span></th>`
  if (sortBy === undefined) return html`<th scope="col" role="columnheader" class=${name}>${title}</th>`
  const present = queryValue(sortName)
  const [isUp, isDown] = [present === key, present === `-${key}`]
  const next = isUp ? `-${key}` : isDown ? null : key
  const label = common(isPaged ? 'sortPage' : 'sortTable', { column: title })
  return html`<th scope="col" role="columnheader" class=${name} aria-sort=${isUp ? 'ascending' : isDown ? 'descending' : 'none'}>
    <a href=${withQuery({ [sortName]: next, after: queryValue('after') || null })} title=${label}
      >${title} ${isUp ? html`<${Icon} name="up" />` : isDown ? html`<${Icon} name="down" />` : null}</a
    >
  </th>`
}

function TableFoot({ count, pages }: { readonly count: number; readonly pages: DataTableProps<unknown>['list']['pages'] }): View {
  const link = (url: string | null, text: string): View =>
    url === null
      ? html`<span class="button small" aria-disabled="true">${text}</span>`
      : html`<a class="button small" href=${url}>${text}</a>`
  return html`<div class="table-foot">
    <span>${count === 1 ? common('oneRow') : common('rows', { n: count })}</span>
    <span class="space"></span>
    ${
      pages === undefined || (pages.first === null && pages.next === null)
        ? null
        : html`<nav class="buttons" aria-label=${common('nextPage')}>
            ${link(pages.first, common('firstPage'))}${link(pages.previous, common('previousPage'))}${link(pages.next, common('nextPage'))}
          </nav>`
    }
  </div>`
}

/** Pure but for the language of the comparison. Rows that are equal keep their order. */
function sortRows<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sort: string): readonly Row[] {
  const isDown = sort.startsWith('-')
  const sortBy = columns.find(({ key }) => key === (isDown ? sort.slice(1) : sort))?.sortBy
  if (sortBy === undefined) return rows
  return rows.toSorted((a, b) => {
    const [one, other] = [sortBy(a), sortBy(b)]
    if (one === null || other === null) return Number(one === null) - Number(other === null)
    return compareValues(one, other) * (isDown ? -1 : 1)
  })
}

function compareValues(one: string | number | boolean, other: string | number | boolean): number {
  return typeof one === 'string' ? one.localeCompare(String(other), undefined, { numeric: true }) : Number(one) - Number(other)
}
