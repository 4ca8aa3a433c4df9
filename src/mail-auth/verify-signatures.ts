/**
 * verify-signatures - verifies the DKIM signatures of a mail with their alignment, and records SPF and ARC as hints
 *
 * Runs in a thread (mail-auth/verification-worker). Alignment is relaxed (the organisational domain of From, RFC 7489 §3.1.1) and requires exactly one From. A
 * signature that covers only the first bytes of the body (`l=`) proves nothing. SPF concerns the envelope, which a null sender does not have, and an ARC seal is
 * only a claim of its sealer; both are recorded for people and decide nothing. A failure of DNS gives the result `temperror`.
 *
 * RFC 6376, RFC 7208, RFC 8617. See also: correlate/match (what a proof is good for), mail-auth/verification-pool (caps, threads, time limits).
 */
import type { arc } from 'mailauth/lib/arc/index.js'
import type { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { getDomain } from 'tldts'
import type { DnsLookup } from '../net/dns.ts'

/** One DKIM signature. `aligned`: its organisational domain is that of From. */
export type DkimResult = {
  readonly domain: string
  readonly selector: string
  readonly result: string
  readonly valid: boolean
  readonly aligned: boolean
  /** The field instances that it covers, one name for each. Absent: not verified, or stored before this was recorded. */
  readonly signedFields?: readonly string[]
}

/** The SPF result of the peer for the domain of MAIL FROM, or of HELO if the sender is null. */
type SpfResult = { readonly domain: string; readonly result: string }

/** The result of the ARC chain, and the domain that sealed it last. */
type ArcResult = { readonly domain: string | null; readonly result: string }

export type AuthenticationResults = { readonly dkim: readonly DkimResult[]; readonly spf: SpfResult | null; readonly arc: ArcResult | null }

/** The results of a mail without signatures, or of one that is not verified. */
export const NO_AUTHENTICATION_RESULTS: AuthenticationResults = { dkim: [], spf: null, arc: null }

/** A mail, and how it came. `peer` null: not by SMTP (a file). */
export type MailToVerify = { readonly raw: Uint8Array; readonly peer: string | null; readonly helo: string | null; readonly from: string }

/** Verifies one mail as of `now`. Never rejects. */
export type SignatureVerifier = (mail: MailToVerify, now: number) => Promise<AuthenticationResults>

type VerifyOptions = {
  readonly lookUp: DnsLookup
  /** Gets each part of the results as soon as it is known. */
  readonly report: (part: Partial<AuthenticationResults>) => void
}

/** Loads mailauth ahead of the first mail, so that loading does not count against its time. */
export async function loadLibraries(): Promise<void> {
  await Promise.all([import('mailauth/lib/dkim/verify.js'), import('mailauth/lib/arc/index.js'), import('mailauth/lib/spf/index.js')])
}

/** Verifies one mail as of `now`: signatures and SPF at the same time. A part that cannot be computed is not reported. Never rejects. */
export async function verifyMail(mail: MailToVerify, now: number, { lookUp, report }: VerifyOptions): Promise<void> {
  const spf = checkSpf(mail, lookUp).then((result) => report({ spf: result }))
  const signatures = mail.raw.length === 0 ? null : verifySignatures(mail.raw, now, { lookUp, report })
  await Promise.allSettled([spf, signatures])
}

async function verifySignatures(raw: Uint8Array, now: number, { lookUp, report }: VerifyOptions): Promise<void> {
  const [{ dkimVerify: verify }, { arc: verifyArc }] = await Promise.all([
    import('mailauth/lib/dkim/verify.js'),
    import('mailauth/lib/arc/index.js'),
  ])
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength)
  const verification = await verify(bytes, { resolver: lookUp, curTime: new Date(now), rejectRsaSha1: true })
  const from =
    verification.fromFields === 1 && verification.headerFrom.length === 1 ? organisationalDomain(verification.headerFrom[0] ?? '') : null
  const dkim = verification.results.map((each) => {
    const domain = (each.signingDomain ?? '').toLowerCase()
    const result = each.status.result
    const isWhole = each.canonBodyLengthLimited !== true
    const aligned = from !== null && organisationalDomain(domain) === from
    const signedFields = (each.signingHeaders?.keys ?? '').toLowerCase().split(': ')
    return { domain, selector: each.selector ?? '', result, valid: result === 'pass' && isWhole, aligned, signedFields }
  })
  report({ dkim: dkim.filter((each) => each.domain !== '') })
  report({ arc: await verifyArcChain(verifyArc, verification.arc, lookUp) })
}

type VerifyArc = typeof arc
type DkimVerification = Awaited<ReturnType<typeof dkimVerify>>

/** A chain that cannot be read is recorded as failed. */
async function verifyArcChain(verify: VerifyArc, arcData: DkimVerification['arc'], lookUp: DnsLookup): Promise<ArcResult | null> {
  if (arcData === undefined || (arcData.chain === false && arcData.error === undefined)) return null
  if (arcData.chain === false) return { domain: null, result: 'fail' }
  const { status, signature } = await verify({ ...arcData, chain: arcData.chain }, { resolver: lookUp })
  const sealer = signature === undefined || signature === false ? null : (signature.signingDomain ?? null)
  return status.result === 'none' ? null : { domain: sealer?.toLowerCase() ?? null, result: status.result }
}

async function checkSpf({ peer, helo, from }: MailToVerify, lookUp: DnsLookup): Promise<SpfResult | null> {
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

function organisationalDomain(name: string): string | null {
  const host = name.slice(name.lastIndexOf('@') + 1).toLowerCase()
  return getDomain(host, { allowPrivateDomains: true }) ?? (host === '' ? null : host)
}
