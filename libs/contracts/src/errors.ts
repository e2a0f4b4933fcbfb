/**
 * The error catalogue: every `code` that the public and the operations REST may answer (RFC 9457 problem documents).
 * `docs/errors.md` is made from it and tested equal. HTTP status lives here and nowhere else.
 */

export interface ErrorDefinition {
  readonly status: number;
  readonly title: string;
  /** What it means to the caller, and what to do. One sentence or two. */
  readonly meaning: string;
  /** True when the same request may succeed later: the answer carries `Retry-After` and `retryAfterMs`. */
  readonly retryable: boolean;
}

const define = (status: number, title: string, retryable: boolean, meaning: string): ErrorDefinition => ({
  status,
  title,
  retryable,
  meaning,
});

export const errorCatalogue = {
  bad_request: define(
    400,
    'Bad request',
    false,
    'The body, a header or a parameter has not the documented shape; `detail` names the fault.',
  ),
  ticket_invalid: define(
    400,
    'Ticket invalid',
    false,
    'The ticket or receipt is forged, truncated, garbled or signed with a key that is no longer valid. Nothing was booked.',
  ),
  share_invalid: define(
    400,
    'Share invalid',
    false,
    'The share token is forged, truncated or garbled. Nothing was booked.',
  ),
  plan_invalid: define(400, 'Plan invalid', false, 'The event plan cannot be met; `faults` names every fault.'),
  unauthenticated: define(401, 'Unauthenticated', false, 'No session or operations token, or a forged or expired one.'),
  forbidden: define(403, 'Forbidden', false, 'The token is valid, but its role may not do this.'),
  ticket_not_yours: define(403, 'Ticket not yours', false, 'The ticket belongs to another user. Nothing was booked.'),
  not_found: define(
    404,
    'Not found',
    false,
    'No such route (path and method) or resource. At a gateway of another role `endpoints` names the one that serves it.',
  ),
  event_unknown: define(404, 'Event unknown', false, 'No event with this id is known, or it is still a draft.'),
  packet_unknown: define(
    404,
    'Packet unknown',
    false,
    'The packet is not (yet) settled for this user and no valid receipt was given.',
  ),
  dead_letter_unknown: define(404, 'Dead letter unknown', false, 'No dead letter with this id.'),
  feature_unknown: define(404, 'Feature unknown', false, 'No feature with this key is in the catalogue.'),
  limit_reached: define(
    409,
    'Limit reached',
    false,
    'The user already holds as many packets as the event allows. The packet goes back to the event.',
  ),
  sponsor_limit_reached: define(
    409,
    'Sponsor limit reached',
    false,
    'The user already holds a packet of this sponsor in this event. The packet goes back to the event.',
  ),
  state_conflict: define(
    409,
    'State conflict',
    false,
    'The event is not in a state in which this act is possible; `detail` names both.',
  ),
  too_early: define(409, 'Too early', false, 'Settle is not possible yet; `possibleAt` says from when.'),
  ticket_expired: define(
    410,
    'Ticket expired',
    false,
    'The ticket was not opened before its expiry, or the packet went back to the event in the meantime.',
  ),
  packet_gone: define(
    410,
    'Packet gone',
    false,
    'The packet went to another ticket of the same issue, of somebody else. A ticket that merely lapsed is `ticket_expired`.',
  ),
  share_expired: define(
    410,
    'Share expired',
    false,
    'The shares of the event have ended, or the packet behind the share went to somebody else.',
  ),
  too_large: define(413, 'Too large', false, 'The request body is over 4 KiB (operations: 1 MiB).'),
  too_many_requests: define(
    429,
    'Too many requests',
    true,
    'Too many requests or failed attempts from this address or token.',
  ),
  internal: define(
    500,
    'Internal error',
    false,
    'A defect of the server; the answer says no more. Nothing is lost: asking again is safe.',
  ),
  overloaded: define(
    503,
    'Overloaded',
    true,
    'Shed by admission: nothing was taken or booked, ask again after `retryAfterMs`.',
  ),
  queue_unavailable: define(
    503,
    'Queue unavailable',
    true,
    'The open or grab could not be made durable (Redis is away or slow): it may or may not run; ask again, the outcome is the same.',
  ),
  feature_off: define(
    503,
    'Feature off',
    true,
    'The feature has yielded to more important work or was switched off by an operator.',
  ),
  dependency_unavailable: define(
    503,
    'Dependency unavailable',
    true,
    'A service behind this answer is away or slow, or cannot say yet what became of an open: ask again after `retryAfterMs`.',
  ),
} as const satisfies Record<string, ErrorDefinition>;

export type ErrorCode = keyof typeof errorCatalogue;

export const errorCodes = Object.keys(errorCatalogue) as ErrorCode[];

/** RFC 9457 document. `type` is `/docs#<code>`; extension members may follow (e.g. `faults`, `possibleAt`). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly retryAfterMs?: number;
  readonly [extension: string]: unknown;
}

/** Makes the problem document of a code. Retryable codes always carry `retryAfterMs` (milliseconds, default 1000). */
export function problemOf(code: ErrorCode, detail?: string, extensions: Record<string, unknown> = {}): Problem {
  const { status, title, meaning, retryable } = errorCatalogue[code];
  const retry = retryable ? { retryAfterMs: 1000 } : {};
  return { type: `/docs#${code}`, title, status, code, detail: detail ?? meaning, ...retry, ...extensions };
}

/** The text of `docs/errors.md`. */
export function renderErrorsPage(): string {
  const rows = errorCodes.map((code) => {
    const { status, retryable, meaning } = errorCatalogue[code];
    return `| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${meaning} |`;
  });
  return `# Errors

Every error answer is an RFC 9457 problem document (\`application/problem+json\`): \`{type, title, status, code, detail, retryAfterMs?}\`.
Decide by \`code\`; \`detail\` is for people. This page is made from the catalogue in \`libs/contracts/src/errors.ts\`: after a change there,
\`npm run docs\` writes it anew, and a test holds the two equal.

"Again" says whether the same request may succeed later: such answers carry \`Retry-After\` (seconds) and \`retryAfterMs\`. Every request of
the public REST may be repeated safely: the same outcome comes back and nothing is booked twice.

| code | status | again | meaning |
|---|---|---|---|
${rows.join('\n')}
`;
}
