/** A bigint column as a number. Throws a RangeError when a number cannot hold it exactly. */
export function safeNumber(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${value} is no safe integer`);
  return number;
}

/** `timestamptz` columns as milliseconds since the epoch. */
export function msOf(value: Date): number;
export function msOf(value: Date | null): number | undefined;
export function msOf(value: Date | null): number | undefined {
  return value === null ? undefined : value.getTime();
}
