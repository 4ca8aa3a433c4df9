/**
 * agent-reader - reads user agents, and keeps the readings of the last ones
 *
 * Most readers share a few hundred user agents, and a reading takes more than the rest of recording an open.
 *
 * See also: tracking/client-reading, tracking/machine-reading, service/track/commit-engagement.
 */
import { LRUCache } from 'lru-cache'
import { readClient, type ClientReading } from '../../tracking/client-reading.ts'
import { isBot } from '../../tracking/machine-reading.ts'

type AgentReading = { readonly client: ClientReading; readonly isBot: boolean }

/** Total. */
export type AgentReader = (userAgent: string | null) => AgentReading

/** At most two megabytes: a user agent has at most 512 characters. */
const MAX_AGENTS = 2_000

export function createAgentReader(): AgentReader {
  const known = new LRUCache<string, AgentReading>({ max: MAX_AGENTS })
  return (userAgent) => {
    const key = userAgent ?? ''
    const found = known.get(key) ?? { client: readClient(userAgent), isBot: isBot(userAgent) }
    known.set(key, found)
    return found
  }
}
