import type { Session } from '#libs/contracts';
import { HongbaoLostError, HongbaoProblemError, HongbaoUsageError } from './errors.ts';
import type { ApiRequest, Reply } from './http.ts';

export interface SessionKeeperOptions {
  /** A token of the host application: used as it is, never renewed. */
  readonly token?: string | undefined;
  readonly create: () => Promise<Session>;
}

/** The session token: given, or created as a guest on first need and renewed once when it has expired. */
export class SessionKeeper {
  private session: Pick<Session, 'token'> | undefined;
  private creating: Promise<Session> | undefined;

  constructor(private readonly options: SessionKeeperOptions) {
    if (options.token !== undefined) this.session = { token: options.token };
  }

  get token(): string | undefined {
    return this.session?.token;
  }

  /** A new guest session; calls at the same time share one. */
  async create(): Promise<Session> {
    if (this.options.token !== undefined) throw new HongbaoUsageError('this client was given a token by its host');
    this.creating ??= this.options.create().finally(() => {
      this.creating = undefined;
    });
    const session = await this.creating;
    this.session = session;
    return session;
  }

  /** Sends with the session; an expired guest session is renewed and the request sent once more. */
  send(
    request: ApiRequest,
    send: (request: ApiRequest) => Promise<Reply>,
    signal: AbortSignal | undefined,
  ): Promise<Reply> {
    return unlessAborted(this.sendWithToken(request, send), signal);
  }

  private async sendWithToken(request: ApiRequest, send: (request: ApiRequest) => Promise<Reply>): Promise<Reply> {
    try {
      const token = this.token ?? (await this.create()).token;
      const reply = await send({ ...request, token });
      const isRefused = reply.kind === 'problem' && reply.problem.code === 'unauthenticated';
      if (!isRefused || this.options.token !== undefined) return reply;
      return await send({ ...request, token: await this.renewedToken(token) });
    } catch (error) {
      return replyOfFailure(error);
    }
  }

  private async renewedToken(refused: string): Promise<string> {
    return this.token !== undefined && this.token !== refused ? this.token : (await this.create()).token;
  }
}

/** A session that is being made is shared by several calls: one that is aborted leaves it to the others. */
function unlessAborted(sending: Promise<Reply>, signal: AbortSignal | undefined): Promise<Reply> {
  if (signal === undefined) return sending;
  return new Promise((resolve, reject) => {
    const abort = (): void => resolve({ kind: 'aborted' });
    signal.addEventListener('abort', abort, { once: true });
    sending.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
  });
}

/** No session could be had: to the call that needed it this is a failure of its own request. */
function replyOfFailure(error: unknown): Reply {
  if (error instanceof HongbaoProblemError) return { kind: 'problem', problem: error.problem };
  if (error instanceof HongbaoLostError) return { kind: 'lost', detail: error.message, cause: error };
  throw error;
}
