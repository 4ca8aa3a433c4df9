/**
 * step-timeouts - a time limit for each step of an SMTP dialogue
 *
 * A step ends with a whole reply; single bytes do not extend it. While a message is being sent, each block that the server accepts restarts the time.
 *
 * RFC 5321 §4.5.3.2. See also: smtp-client/smtp-wire.
 */

/** Milliseconds for each step. */
export type StepTimeouts = {
  /** Until TCP has connected. */
  readonly connectMs: number
  readonly greetingMs: number
  /** For the reply to EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA or RSET, and for a TLS handshake. */
  readonly commandMs: number
  /** For the server to take a block of the message. */
  readonly blockMs: number
  /** For the reply after the message. */
  readonly endMs: number
}

/** RFC 5321 §4.5.3.2.1 to 6. The RFC has none for the connection; a host that has not answered within half a minute is down. */
export const DEFAULT_STEP_TIMEOUTS: StepTimeouts = {
  connectMs: 30_000,
  greetingMs: 300_000,
  commandMs: 300_000,
  blockMs: 180_000,
  endMs: 600_000,
}

export type SmtpStep = 'greeting' | 'command' | 'block' | 'end'

export type StepTimer = {
  /** Begins a step and ends the one before. */
  readonly start: (step: SmtpStep) => void
  readonly stop: () => void
}

const TIMEOUT_OF_STEP = { greeting: 'greetingMs', command: 'commandMs', block: 'blockMs', end: 'endMs' } as const satisfies Record<
  SmtpStep,
  keyof StepTimeouts
>

/** Creates a timer. `progress` grows while the server takes bytes; `onTimeout` is called at most once for each step. */
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
