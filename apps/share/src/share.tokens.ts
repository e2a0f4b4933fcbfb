/** The injection token of ShareParts: everything this app is made of. */
export const shareParts = Symbol('shareParts');
