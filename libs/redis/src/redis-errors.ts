/** Beginnings of the errors that ioredis raises without a code. */
const awayMessages = [
  'Connection is closed.',
  'Command timed out',
  'Command aborted due to connection close',
  "Stream isn't writeable and enableOfflineQueue options is false",
  'Reached the max retries per request limit',
  'Socket timeout.',
];
const awayCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ETIMEDOUT',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
/** First words of replies that mean "not now": starting, failing over, full, unable to write its file. */
const awayReplies = new Set([
  'LOADING',
  'READONLY',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'NOREPLICAS',
  'OOM',
  'MISCONF',
  'BUSY',
]);

/**
 * True when an error of a client means that Redis cannot serve now: it may be tried again later, and a write may still have been
 * executed. False for a defect of ours.
 */
export function isRedisAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && awayCodes.has(code)) return true;
  const message = error.message;
  return awayMessages.some((text) => message.startsWith(text)) || awayReplies.has(message.split(' ', 1)[0]!);
}
