/** A Fastify reply, as far as a status is set on it. */
export interface StatusReply {
  code(status: number): unknown;
  header(name: string, value: string): unknown;
}

/** 202 for what is pending, 200 for what has an outcome; neither is ever cached. */
export function withStatus<Answer extends { readonly status: string }>(reply: StatusReply, answer: Answer): Answer {
  reply.code(answer.status === 'pending' ? 202 : 200);
  reply.header('cache-control', 'no-store');
  return answer;
}
