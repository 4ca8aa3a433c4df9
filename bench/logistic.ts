/**
 * logistic - a small logistic regression over binary features, each with a known direction
 *
 * Coordinate descent with an L2 penalty on the weights, not on the intercept. A feature that speaks for the class gets no negative weight, and one that speaks
 * against it no positive one, so that a chance correlation in few messages cannot turn it around. Deterministic: the same samples give the
 * same weights.
 */

/** One message: the features that are present, and whether it belongs to the class. */
export type Sample<Feature extends string> = { readonly features: readonly Feature[]; readonly isPositive: boolean }

/** A message belongs to the class if the sum of the weights of its features is at least `threshold`. */
export type FittedModel<Feature extends string> = { readonly weights: ReadonlyMap<Feature, number>; readonly threshold: number }

const MAX_SWEEPS = 400
const CONVERGED = 1e-5

/** Fits the weights. `directions`: 1 for a feature that speaks for the class, -1 against it. `penalty`: the strength of the regularisation. */
export function fitLogistic<Feature extends string>(
  samples: readonly Sample<Feature>[],
  directions: ReadonlyMap<Feature, 1 | -1>,
  penalty: number,
): FittedModel<Feature> {
  const target = samples.map(({ isPositive }) => (isPositive ? 1 : 0))
  const columns = [...directions].map(([name, direction]) => ({
    name,
    direction,
    rows: samples.flatMap(({ features }, row) => (features.includes(name) ? [row] : [])),
  }))
  const everyRow = samples.map((_, row) => row)
  const score = samples.map(() => 0)
  const weights = new Map<Feature, number>()
  let intercept = 0
  /** One Newton step along one coordinate; returns the wanted change. */
  const stepAlong = (rows: readonly number[], value: number, strength: number): number => {
    let gradient = strength * value
    let curvature = strength + 1e-9
    for (const row of rows) {
      const probability = 1 / (1 + Math.exp(-(score[row] ?? 0)))
      gradient += probability - (target[row] ?? 0)
      curvature += Math.max(probability * (1 - probability), 1e-4)
    }
    return Math.max(-2, Math.min(2, -gradient / curvature))
  }
  const shift = (rows: readonly number[], change: number): void => {
    for (const row of rows) score[row] = (score[row] ?? 0) + change
  }
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    const change = stepAlong(everyRow, intercept, 0)
    intercept += change
    shift(everyRow, change)
    let largest = Math.abs(change)
    for (const { name, direction, rows } of columns) {
      const before = weights.get(name) ?? 0
      const wanted = before + stepAlong(rows, before, penalty)
      const after = direction * Math.max(0, direction * wanted)
      weights.set(name, after)
      shift(rows, after - before)
      largest = Math.max(largest, Math.abs(after - before))
    }
    if (largest < CONVERGED) break
  }
  return { weights, threshold: -intercept }
}

/** The sum of the weights of the features that are present. */
export function scoreFeatures<Feature extends string>({ weights }: FittedModel<Feature>, features: readonly Feature[]): number {
  return features.reduce((sum, name) => sum + (weights.get(name) ?? 0), 0)
}
