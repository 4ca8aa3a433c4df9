/**
 * media - response schemas of routes that do not return JSON, for the OpenAPI document
 *
 * These routes send bytes or text, which no serializer processes.
 *
 * See also: http/server/openapi, http/server/content-negotiation (`produces`).
 */
import { z } from 'zod'

/** The response schemas of a route that returns one of these media types. */
export function createMediaResponses(...types: readonly string[]) {
  const schema = z.unknown().meta({ type: 'string' })
  return { 200: { content: Object.fromEntries(types.map((type) => [type, { schema }])) } }
}
