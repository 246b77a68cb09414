/** Of any number of values: as arguments of `Math.max`, some hundred thousand do not fit on the stack. */
export function largest(values: readonly number[]): number {
  return values.reduce((found, value) => Math.max(found, value), Number.NEGATIVE_INFINITY)
}

/** Of any number of values, as `largest`. */
export function smallest(values: readonly number[]): number {
  return values.reduce((found, value) => Math.min(found, value), Number.POSITIVE_INFINITY)
}
