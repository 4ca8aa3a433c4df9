/**
 * step-timeouts - a time limit for each step of an SMTP dialogue
 *
 * A byte now and then is no progress: a step ends with a whole reply. While the mail is being sent, progress is what the peer has taken.
 *
 * RFC 5321 §4.5.3.2. See also: smtp-client/client-session.
 */

/** Milliseconds for each. */
export type StepTimeouts = {
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
export const DEFAULT_STEP_TIMEOUTS: StepTimeouts = {
  connectMs: 30_000,
  greetingMs: 300_000,
  commandMs: 300_000,
  blockMs: 180_000,
  endMs: 600_000,
}

export type SmtpStep = 'greeting' | 'command' | 'block' | 'end'

export type StepTimer = {
  /** A step begins; the one before has ended. */
  readonly start: (step: SmtpStep) => void
  readonly stop: () => void
}

const TIMEOUT_OF_STEP = { greeting: 'greetingMs', command: 'commandMs', block: 'blockMs', end: 'endMs' } as const satisfies Record<
  SmtpStep,
  keyof StepTimeouts
>

/** `progress` grows while the peer takes what is sent; `onLate` is called once at most for each step. */
export function createStepTimer(
  timeouts: StepTimeouts,
  progress: () => number,
  onTimeout: (step: SmtpStep, timeoutMs: number) => void,
): StepTimer {
  let timer: NodeJS.Timeout | undefined
  const start = (step: SmtpStep): void => {
    clearTimeout(timer)
    const timeoutMs = timeouts[TIMEOUT_OF_STEP[step]]
    const progressBefore = progress()
    timer = setTimeout(() => {
      if (step === 'block' && progress() > progressBefore) start(step)
      else onTimeout(step, timeoutMs)
    }, timeoutMs)
  }
  return { start, stop: () => clearTimeout(timer) }
}
