/**
 * redact-local-parts - replaces the local part of every address in a text by `*`
 *
 * An SMTP reply often repeats the address of the recipient. Stored or displayed evidence needs the domain, not the person.
 *
 * Pure, total, linear. See also: queue/observe/transition-facts, ledger/decide/attempt-reading.
 */

/**
 * Returns the text without local parts. Total.
 *
 *     redactLocalParts('550 <ann@example.com>: no')   → '550 <*@example.com>: no'
 */
export const redactLocalParts = (text: string): string => text.replaceAll(/[^\s<>"'(),;:=]{1,256}@/g, '*@')
