/** True when `value` is an integer in [min, max]; false for anything else, NaN and non-numbers included. */
export function isIntegerIn(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max;
}

/** Refuses a caller's bug: throws a RangeError that names the field unless `value` is an integer in [min, max]. */
export function assertIntegerIn(name: string, value: number, min: number, max: number): void {
  if (!isIntegerIn(value, min, max))
    throw new RangeError(`${name} must be an integer in [${min}, ${max}], is ${value}`);
}
