/**
 * waiting-mails - mails that wait for a free place in a thread, fairly between their senders
 *
 * Senders take turns, so a mail never waits behind all the mails of another sender. The queue is bounded in mails and in bytes.
 *
 * See also: mail-auth/verification-pool.
 */
export type WaitingMail = {
  /** Mails with the same key take one turn together. */
  readonly sender: string
  readonly bytes: number
}

export type WaitingMails<T extends WaitingMail> = {
  /** False if there is no room; the mail is then not queued. */
  readonly push: (mail: T) => boolean
  /** Removes and returns the next mail whose sender is allowed; null if there is none. */
  readonly next: (isAllowed: (sender: string) => boolean) => T | null
  readonly count: () => number
  /** Removes and returns all mails for which the test holds. */
  readonly remove: (test: (mail: T) => boolean) => readonly T[]
}

/** Creates an empty queue. */
export function createWaitingMails<T extends WaitingMail>({ maxMails, maxBytes }: { maxMails: number; maxBytes: number }): WaitingMails<T> {
  // A Map keeps its order: the first sender is served next and then moves to the end.
  const bySender = new Map<string, T[]>()
  let mails = 0
  let bytes = 0
  const add = (mail: T, sign: 1 | -1): void => {
    mails += sign
    bytes += sign * mail.bytes
  }
  return {
    push: (mail) => {
      if (mails >= maxMails || (mails > 0 && bytes + mail.bytes > maxBytes)) return false
      setOrDelete(bySender, mail.sender, [...(bySender.get(mail.sender) ?? []), mail])
      add(mail, 1)
      return true
    },
    count: () => mails,
    next: (isAllowed) => {
      for (const [sender, queue] of bySender) {
        if (!isAllowed(sender)) continue
        const mail = queue.shift()
        bySender.delete(sender)
        setOrDelete(bySender, sender, queue)
        if (mail === undefined) continue
        add(mail, -1)
        return mail
      }
      return null
    },
    remove: (test) => {
      const isKept = (mail: T): boolean => !test(mail)
      const removed = [...bySender.values()].flatMap((queue) => queue.filter(test))
      for (const [sender, queue] of bySender) setOrDelete(bySender, sender, queue.filter(isKept))
      for (const mail of removed) add(mail, -1)
      return removed
    },
  }
}

/** A sender without mails is not in the map. */
function setOrDelete<T>(bySender: Map<string, T[]>, sender: string, queue: T[]): void {
  if (queue.length > 0) bySender.set(sender, queue)
  else bySender.delete(sender)
}
