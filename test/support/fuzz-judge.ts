import { setTimeout as delay } from 'node:timers/promises';
import { errorCatalogue, problemOf } from '#libs/contracts';
import type { Operation } from './fuzz-document.ts';
import type { FuzzRequest } from './fuzz-request.ts';
import { send, type WireAnswer } from './fuzz-wire.ts';

/** What any service may say to what is not addressed to one of its operations, or is no HTTP. */
const codesForStrays = ['bad_request', 'not_found', 'too_large'];
/** What tells of the inside: frames of a stack, files, statements, errors of drivers. */
const insides =
  /\bat .{1,100}:\d+:\d+|node_modules|node:internal|\.ts\b|\.js\b:|dist\/|file:\/\/|\bprisma|postgres|ioredis|ECONN|SQLSTATE|\bsyntax error at|SELECT .+ FROM|(Type|Range|Reference|Syntax)Error/i;
/** A session token, whose letters mean nothing: now and then there is a `.ts-` among them. */
const sessionToken = /\beyJ[\w-]+\.[\w-]+\.[\w-]+/g;
const errorCharsMax = 64 * 1024;
/** Of each part of an exchange, when it is shown. */
const shownCharsMax = 1000;
const cut = (text: string): string => text.slice(0, shownCharsMax);
/** Every store is up: what says that one is away is a defect in disguise, unless it was slow for once. */
const repeatsMax = 6;
const repeatAfterMs = 250;

/** A service that will not read so much cuts the connection after its answer, and the cut may overtake it. */
const isLong = ({ body }: FuzzRequest): boolean => (body?.length ?? 0) > 64 * 1024;

/** Sends a request until its answer is no passing 503, and none that was cut off. */
export async function answerTo(port: number, request: FuzzRequest): Promise<WireAnswer | undefined> {
  for (let tries = 0; ; tries += 1) {
    const answer = await send(port, request);
    const mayPass = answer === undefined ? isLong(request) : answer.status === 503;
    if (!mayPass || tries >= repeatsMax) return answer;
    await delay(repeatAfterMs);
  }
}

/** Throws, with the exchange, when an answer is not one that the document promises. */
export function judge(operation: Operation, request: FuzzRequest, answer: WireAnswer | undefined): void {
  const fault = answer === undefined ? faultOfSilence(request) : faultOf(operation, request, answer);
  if (fault === undefined) return;
  const { method, target, headers, body } = request;
  const asked = [`${method} ${target}`, JSON.stringify(headers), body?.toString('utf8') ?? '(no body)']
    .map(cut)
    .join('\n');
  throw new Error(`${operation.name}: ${fault}\n--- asked\n${asked}\n--- answered\n${shown(answer)}`);
}

function shown(answer: WireAnswer | undefined): string {
  if (answer === undefined) return 'nothing';
  return [`${answer.status} ${JSON.stringify([...answer.headers])}`, answer.body].map(cut).join('\n');
}

/** A tunnel is not what we are: Node ends such a connection without a word. Whoever goes on with what is no HTTP is cut off, too. */
function faultOfSilence(request: FuzzRequest): string | undefined {
  const wasToldToGoOn = request.headers.some(([, value]) => value === '100-continue');
  const isFair = request.method === 'CONNECT' || (!request.isStraight && (wasToldToGoOn || isLong(request)));
  return isFair ? undefined : 'the connection was closed without an answer';
}

function faultOf(operation: Operation, request: FuzzRequest, answer: WireAnswer): string | undefined {
  const { status, headers, body } = answer;
  const isPage = headers.get('content-type')?.startsWith('text/html') ?? false;
  const said = body.replace(sessionToken, '');
  if (!isPage && operation.path !== '/openapi.json' && insides.test(said)) return 'the body tells of the inside';
  if (answer.surplus.includes('HTTP/1.1 ')) return `more than one answer came: ${answer.surplus.slice(0, 200)}`;
  if (status >= 500 && status !== 503) return 'a defect';
  if (request.method === 'HEAD') return undefined;
  if (status >= 400 && operation.path !== '/readyz') return faultOfProblem(operation, request, answer);
  if (!request.isStraight) return status < 500 ? undefined : 'not ready';
  return faultOfSuccess(operation, answer);
}

function faultOfProblem(
  operation: Operation,
  request: FuzzRequest,
  { status, headers, body }: WireAnswer,
): string | undefined {
  if (!headers.get('content-type')?.startsWith('application/problem+json')) return 'an error is no problem document';
  if (body.length > errorCharsMax) return 'an error is longer than anybody reads';
  const problem = JSON.parse(body);
  const definition = errorCatalogue[problem.code as keyof typeof errorCatalogue];
  if (definition === undefined) return 'the code is not in the catalogue';
  const { type, title } = problemOf(problem.code);
  if (definition.status !== status || problem.status !== status || problem.type !== type || problem.title !== title)
    return 'the problem is not what the catalogue says of its code';
  if (typeof problem.detail !== 'string' || problem.detail === '') return 'the problem has no detail';
  const mayRepeat = headers.has('retry-after') && Number.isInteger(problem.retryAfterMs);
  if (definition.retryable !== mayRepeat) return 'whether to ask again is not as the catalogue says';
  if (status === 503) return 'with everything up, the answer stays 503';
  const documented = operation.answers.get(status)?.codes ?? [];
  if (documented.includes(problem.code)) return undefined;
  if (!request.isStraight && codesForStrays.includes(problem.code)) return undefined;
  return `${problem.code} is not documented here`;
}

function faultOfSuccess({ answers }: Operation, { status, headers, body }: WireAnswer): string | undefined {
  const documented = answers.get(status);
  if (documented === undefined) return 'the status is not documented';
  const type = headers.get('content-type')?.split(';')[0] ?? '';
  if (!documented.media.has(type)) return 'the media type is not documented';
  const checked = documented.media.get(type)?.safeParse(JSON.parse(body));
  return checked === undefined || checked.success
    ? undefined
    : `the body is not as documented: ${checked.error.message}`;
}
