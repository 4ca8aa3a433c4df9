/**
 * operation-note - one row of the tables that describe the operations of our own API
 *
 * See also: http/openapi/described-operation (puts them into the document).
 */

/** `body`: an example of the request body. `query`: examples of query parameters that the operation requires. */
export type OperationNote = {
  readonly description: string
  readonly body?: unknown
  readonly query?: Readonly<Record<string, string>>
}
