/**
 * auth - what a mail's signatures prove: DKIM with its alignment, and whether an ARC chain is there
 *
 * mailauth is loaded at the first mail that needs it. Alignment is relaxed (same organisational domain as From, RFC 7489 §3.1.1)
 * and asks for exactly one From; a signature that covers only the first bytes of the body (`l=`) proves nothing. Any failure,
 * a slow DNS included, is an unproven mail, never an error.
 *
 * RFC 6376, RFC 8617. See also: correlate/match (what a proof is good for), edge/dns.
 */
import { getDomain } from 'tldts'
import type { LookUp } from './dns.ts'

/** One DKIM signature. `aligned`: its domain is that of From. */
export type DkimProof = { readonly domain: string; readonly selector: string; readonly result: string; readonly valid: boolean; readonly aligned: boolean }

export type Proofs = { readonly dkim: readonly DkimProof[]; readonly hasArc: boolean }

/** Nothing was signed, or nothing was asked. */
export const NO_PROOFS: Proofs = { dkim: [], hasArc: false }

/** Longer checks are given up: a batch must not wait for a stranger's DNS. Milliseconds. */
const TIME_LIMIT = 5_000

/** Makes the check. Total: resolves for any bytes. */
export function createProver(lookUp: LookUp): (raw: Uint8Array, now: number) => Promise<Proofs> {
  return async (raw, now) => {
    if (!hasSignature(raw)) return NO_PROOFS
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<Proofs>((resolve) => {
      timer = setTimeout(() => resolve(NO_PROOFS), TIME_LIMIT)
    })
    try {
      return await Promise.race([prove(raw, now, lookUp), late])
    } catch {
      return NO_PROOFS
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Headers end where the first empty line is; a signature is asked for in the first 64 KiB. */
function hasSignature(raw: Uint8Array): boolean {
  const head = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.byteLength, 65_536)).toString('latin1')
  return /^(?:dkim-signature|arc-seal)\s*:/im.test(head)
}

async function prove(raw: Uint8Array, now: number, lookUp: LookUp): Promise<Proofs> {
  const { dkimVerify } = await import('mailauth/lib/dkim/verify.js')
  const checked = await dkimVerify(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength), { resolver: lookUp, curTime: new Date(now) })
  const from = checked.fromFields === 1 && checked.headerFrom.length === 1 ? organisation(checked.headerFrom[0] ?? '') : null
  const dkim = checked.results.map((each) => {
    const domain = (each.signingDomain ?? '').toLowerCase()
    const result = each.status.result
    const isWhole = each.canonBodyLengthLimited !== true
    return { domain, selector: each.selector ?? '', result, valid: result === 'pass' && isWhole, aligned: from !== null && organisation(domain) === from }
  })
  return { dkim: dkim.filter((each) => each.domain !== ''), hasArc: /^arc-seal\s*:/im.test(Buffer.from(raw).toString('latin1', 0, 65_536)) }
}

function organisation(name: string): string | null {
  const host = name.slice(name.lastIndexOf('@') + 1).toLowerCase()
  return getDomain(host, { allowPrivateDomains: true }) ?? (host === '' ? null : host)
}
