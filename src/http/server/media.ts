/**
 * media - good answers that are no JSON, as schemas: for the document alone
 *
 * What is sent is bytes or text and passes no serializer. See also: http/server/openapi, http/server/content-negotiation (`produces`).
 */
import { z } from 'zod'

/** The answers of a route that gives one of these media types. */
export function createMediaResponses(...types: readonly string[]) {
  const schema = z.unknown().meta({ type: 'string' })
  return { 200: { content: Object.fromEntries(types.map((type) => [type, { schema }])) } }
}
