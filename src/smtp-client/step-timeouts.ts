/**
 * step-timeouts - a time limit for each step of an SMTP dialogue
 *
 * A byte now and then is no progress: a step ends with a whole reply. While the mail is being sent, progress is what the peer has taken.
 *
 * RFC 5321 §4.5.3.2. See also: smtp-client/client-session.
 */

/** Milliseconds for each. */
export type Patience = {
  /** Until the connection stands. */
  readonly connectMs: number
  readonly greetingMs: number
  /** EHLO, STARTTLS, AUTH, MAIL, RCPT, RSET. */
  readonly commandMs: number
  /** For a block of the mail to be taken. */
  readonly blockMs: number
  /** For the answer after the mail. */
  readonly endMs: number
}

/** The RFC's own (§4.5.3.2.1–6); for a connection it has none, and a host that has not answered in half a minute is down. */
export const PATIENCE: Patience = { connectMs: 30_000, greetingMs: 300_000, commandMs: 300_000, blockMs: 180_000, endMs: 600_000 }

export type Step = 'greeting' | 'command' | 'block' | 'end'

export type Watch = {
  /** A step begins; the one before has ended. */
  readonly begin: (step: Step) => void
  readonly stop: () => void
}

const LIMITS = { greeting: 'greetingMs', command: 'commandMs', block: 'blockMs', end: 'endMs' } as const satisfies Record<
  Step,
  keyof Patience
>

/** `progress` grows while the peer takes what is sent; `onLate` is called once at most for each step. */
export function createWatch(patience: Patience, progress: () => number, onLate: (step: Step, limitMs: number) => void): Watch {
  let timer: NodeJS.Timeout | undefined
  const begin = (step: Step): void => {
    clearTimeout(timer)
    const limitMs = patience[LIMITS[step]]
    const before = progress()
    timer = setTimeout(() => {
      if (step === 'block' && progress() > before) begin(step)
      else onLate(step, limitMs)
    }, limitMs)
  }
  return { begin, stop: () => clearTimeout(timer) }
}
