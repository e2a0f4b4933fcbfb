/** A page of a list that is read backwards by id. */
export interface Page<Row> {
  readonly rows: Row[];
  /** For the next page; undefined on the last one. */
  readonly nextCursor: string | undefined;
}

export interface PageQuestion {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

const cursorPattern = /^[1-9]\d{0,18}$/;

/** The `where` of a page: ids below the cursor. Throws a RangeError for a cursor that no page gave out. */
export function beforeCursor(cursor: string | undefined): { id?: { lt: bigint } } {
  if (cursor === undefined) return {};
  const id = cursorPattern.test(cursor) ? BigInt(cursor) : 1n << 63n;
  if (id >= 1n << 63n) throw new RangeError('the cursor is not one of ours');
  return { id: { lt: id } };
}

/** The page out of `limit + 1` rows. */
export function pageOf<Row extends { readonly id: bigint }>(rows: Row[], limit: number): Page<Row> {
  const page = rows.slice(0, limit);
  return { rows: page, nextCursor: rows.length > limit ? page.at(-1)?.id.toString() : undefined };
}
