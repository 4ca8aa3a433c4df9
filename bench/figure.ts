/**
 * figure - one measured thing, as every row of the bench gives it
 */

/** One measured thing. `ratio` is against `beside`, the figure of another program in the same run. */
export type Figure = {
  readonly figure: string
  readonly value: number
  readonly unit: string
  readonly beside?: string
  readonly ratio?: number
  readonly target?: string
}
