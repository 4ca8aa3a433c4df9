/**
 * figure - one measured value, as each bench returns it
 */

/** One measured value. `ratio` compares it with `beside`, the figure of another program in the same run. */
export type Figure = {
  readonly figure: string
  readonly value: number
  readonly unit: string
  readonly beside?: string
  readonly ratio?: number
  readonly target?: string
}
