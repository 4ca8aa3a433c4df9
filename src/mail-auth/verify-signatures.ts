/**
 * verify-signatures - what a mail's signatures and its peer prove: DKIM with its alignment; SPF and ARC as hints
 *
 * mailauth is loaded at the first mail that needs it. Alignment is relaxed (same organisational domain as From, RFC 7489 §3.1.1)
 * and asks for exactly one From; a signature that covers only the first bytes of the body (`l=`) proves nothing. SPF speaks of the
 * envelope, which null senders do not have, and a seal of ARC is its sealer's word: both are recorded for people and move nothing. Any
 * failure, a slow DNS included, is an unproven mail, never an error.
 *
 * RFC 6376, RFC 7208, RFC 8617. See also: correlate/match (what a proof is good for), net/dns.
 */
import type { arc } from 'mailauth/lib/arc/index.js'
import type { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { getDomain } from 'tldts'
import type { LookUp } from '../net/dns.ts'

/** One DKIM signature. `aligned`: its domain is that of From. */
export type DkimProof = {
  readonly domain: string
  readonly selector: string
  readonly result: string
  readonly valid: boolean
  readonly aligned: boolean
}

/** What SPF says of the peer, for the domain of MAIL FROM, or of HELO where the sender is null. */
export type SpfHint = { readonly domain: string; readonly result: string }

/** The outcome of the chain, and who sealed it last. */
export type ArcNote = { readonly domain: string | null; readonly result: string }

export type Proofs = { readonly dkim: readonly DkimProof[]; readonly spf: SpfHint | null; readonly arc: ArcNote | null }

/** Nothing was signed, or nothing was asked. */
export const NO_PROOFS: Proofs = { dkim: [], spf: null, arc: null }

/** A mail as far as it can be proven. `peer` null: nobody knows from where it came (a file). */
export type Provable = { readonly raw: Uint8Array; readonly peer: string | null; readonly helo: string | null; readonly from: string }

/** Checks one mail at a moment. Total. */
export type Prover = (mail: Provable, now: number) => Promise<Proofs>

/** Longer checks are given up: a batch must not wait for a stranger's DNS. Milliseconds. */
const TIME_LIMIT = 5_000

/** A chain is only noted: its DNS must not cost the signatures that count. Milliseconds. */
const ARC_LIMIT = 1_000

/** Makes the check. SPF and signatures are asked for side by side, and neither waits for the other's DNS beyond the limit. */
export function createProver(lookUp: LookUp, timeLimit = TIME_LIMIT): Prover {
  return async (mail, now) => {
    const signed = hasSignature(mail.raw) ? within(timeLimit, proveSignatures(mail.raw, now, lookUp), null) : null
    const [signatures, spf] = await Promise.all([signed, within(timeLimit, hintOf(mail, lookUp), null)])
    return { ...NO_PROOFS, ...signatures, spf }
  }
}

/** The value of a promise; the other one when it fails or comes too late. */
async function within<T>(milliseconds: number, work: Promise<T>, otherwise: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(otherwise), milliseconds)
  })
  try {
    return await Promise.race([work, late])
  } catch {
    return otherwise
  } finally {
    clearTimeout(timer)
  }
}

/** Headers end where the first empty line is; a signature is asked for in the first 64 KiB. */
function hasSignature(raw: Uint8Array): boolean {
  const head = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.byteLength, 65_536)).toString('latin1')
  return /^(?:dkim-signature|arc-seal)\s*:/im.test(head)
}

async function proveSignatures(raw: Uint8Array, now: number, lookUp: LookUp): Promise<Pick<Proofs, 'dkim' | 'arc'>> {
  const [{ dkimVerify: verify }, { arc: verifyArc }] = await Promise.all([
    import('mailauth/lib/dkim/verify.js'),
    import('mailauth/lib/arc/index.js'),
  ])
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength)
  const checked = await verify(bytes, { resolver: lookUp, curTime: new Date(now) })
  const from = checked.fromFields === 1 && checked.headerFrom.length === 1 ? organisation(checked.headerFrom[0] ?? '') : null
  const dkim = checked.results.map((each) => {
    const domain = (each.signingDomain ?? '').toLowerCase()
    const result = each.status.result
    const isWhole = each.canonBodyLengthLimited !== true
    const aligned = from !== null && organisation(domain) === from
    return { domain, selector: each.selector ?? '', result, valid: result === 'pass' && isWhole, aligned }
  })
  return { dkim: dkim.filter((each) => each.domain !== ''), arc: await within(ARC_LIMIT, noteArc(verifyArc, checked.arc, lookUp), null) }
}

type VerifyArc = typeof arc
type Given = Awaited<ReturnType<typeof dkimVerify>>

/** A chain that cannot be read or checked is noted as broken; it moves nothing either way. */
async function noteArc(verify: VerifyArc, given: Given['arc'], lookUp: LookUp): Promise<ArcNote | null> {
  if (given === undefined || (given.chain === false && given.error === undefined)) return null
  if (given.chain === false) return { domain: null, result: 'fail' }
  const { status, signature } = await verify({ ...given, chain: given.chain }, { resolver: lookUp })
  const sealer = signature === undefined || signature === false ? null : (signature.signingDomain ?? null)
  return status.result === 'none' ? null : { domain: sealer?.toLowerCase() ?? null, result: status.result }
}

async function hintOf({ peer, helo, from }: Provable, lookUp: LookUp): Promise<SpfHint | null> {
  if (peer === null) return null
  const domain = (from === '' ? (helo ?? '') : from.slice(from.lastIndexOf('@') + 1)).toLowerCase()
  if (!/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(domain)) return null
  const { spf } = await import('mailauth/lib/spf/index.js')
  const sender = from === '' ? `postmaster@${domain}` : from
  const { status } = await spf({
    sender,
    ip: peer.replace(/^::ffff:(?=\d+\.)/i, ''),
    helo: helo ?? domain,
    mta: 'bounced',
    resolver: lookUp,
  })
  return { domain, result: status.result }
}

function organisation(name: string): string | null {
  const host = name.slice(name.lastIndexOf('@') + 1).toLowerCase()
  return getDomain(host, { allowPrivateDomains: true }) ?? (host === '' ? null : host)
}
