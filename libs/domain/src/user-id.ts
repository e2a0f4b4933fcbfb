/** Longest user id: its length has one byte in a signed claim, and 64 keeps a ticket under 150 characters. */
export const userIdLengthMax = 64;

const userIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** True for a valid user id: 1 to 64 ASCII letters, digits, `.`, `_`, `-`, the first one a letter or digit. */
export function isUserId(text: string): boolean {
  return userIdPattern.test(text);
}
