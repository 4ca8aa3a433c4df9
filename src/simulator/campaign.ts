/**
 * campaign - the messages of a scenario, one by one in the order in which they are enqueued
 *
 * Messages are computed on demand, so a million of them take no memory in advance. The recipient of the n-th message of a list depends on the
 * seed and on n alone, so a second campaign to the same list has the same recipients.
 *
 * Pure. See also: simulator/scenario.
 */
import type { Mailboxes, ProviderFile } from './provider-file.ts'
import { seededRandom, RANDOM_SALTS } from '../queue/schedule/seeded-random.ts'
import type { CampaignRow, Scenario } from './scenario.ts'

const HOUR_MS = 3_600_000

/** One message before it is enqueued. */
type CampaignMessage = {
  readonly account: number
  /** Its position on the list. It seeds the state of the mailbox. */
  readonly recipientNumber: number
  readonly provider: string
  readonly domain: string
  readonly recipient: string
  readonly mailboxes: Mailboxes
}

type ProviderShare = { readonly upTo: number; readonly file: ProviderFile; readonly mailboxes: Mailboxes }

export type Campaign = {
  readonly size: number
  /** When the n-th message is enqueued. */
  readonly submitAt: (n: number) => number
  readonly messageAt: (n: number) => CampaignMessage
}

/** The campaigns of a scenario that starts at `start` (epoch milliseconds). */
export function planCampaigns(scenario: Scenario, files: ReadonlyMap<string, ProviderFile>, start: number): readonly Campaign[] {
  const lists = [...new Set(scenario.campaign.map((row, n) => listOf(row, n)))]
  return scenario.campaign.map((row, n) => planCampaign(row, { files, start, seed: scenario.seed, list: lists.indexOf(listOf(row, n)) }))
}

const listOf = (row: CampaignRow, n: number): string => row.list ?? `#${n}`

/** The distance of two lists in the numbers of recipients. */
const LIST_SIZE = 5_000_000

type CampaignContext = {
  readonly files: ReadonlyMap<string, ProviderFile>
  readonly start: number
  readonly seed: number
  readonly list: number
}

function planCampaign(row: CampaignRow, { files, start, seed, list }: CampaignContext): Campaign {
  const shares = sharesOf(row, files)
  const first = start + row.at_hours * HOUR_MS
  const step = (row.over_minutes * 60_000) / row.mails
  const messageAt = (n: number): CampaignMessage => {
    const recipientNumber = list * LIST_SIZE + n
    const share = shareAt(shares, seededRandom(seed, recipientNumber, RANDOM_SALTS.recipient))
    const { domains } = share.file
    const domain = domains[Math.floor(seededRandom(seed, recipientNumber, RANDOM_SALTS.submit) * domains.length)] ?? ''
    return {
      account: row.account,
      recipientNumber,
      provider: share.file.name,
      domain,
      recipient: `person${recipientNumber}@${domain}`,
      mailboxes: share.mailboxes,
    }
  }
  return { size: row.mails, submitAt: (n) => Math.floor(first + n * step), messageAt }
}

function sharesOf(row: CampaignRow, files: ReadonlyMap<string, ProviderFile>): readonly ProviderShare[] {
  const entries = Object.entries(row.to).flatMap(([name, weight]) => {
    const file = files.get(name)
    return file === undefined ? [] : [{ file, weight }]
  })
  const all = entries.reduce((sum, { weight }) => sum + weight, 0)
  let upTo = 0
  return entries.map(({ file, weight }) => {
    upTo += weight / all
    return { upTo, file, mailboxes: mailboxesOf(file, row) }
  })
}

/** The mailboxes of a campaign's list: its own values where it has them, else those of the provider's file. */
function mailboxesOf({ mailboxes }: ProviderFile, { mailboxes: overrides }: CampaignRow): Mailboxes {
  return {
    unknown: overrides.unknown ?? mailboxes.unknown,
    disabled: overrides.disabled ?? mailboxes.disabled,
    full: overrides.full ?? mailboxes.full,
    content: overrides.content ?? mailboxes.content,
    busy: overrides.busy ?? mailboxes.busy,
  }
}

function shareAt(shares: readonly ProviderShare[], unit: number): ProviderShare {
  const found = shares.find(({ upTo }) => unit < upTo) ?? shares[shares.length - 1]
  if (found === undefined) throw new RangeError('the campaign has no provider')
  return found
}
