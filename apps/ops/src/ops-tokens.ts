import { createHash } from 'node:crypto';
import { secretsEqual } from '#libs/runtime';

export type OpsRole = 'viewer' | 'operator';

/** Who acts: the role, and which token (never the token itself). */
export interface Actor {
  readonly role: OpsRole;
  /** `operator:1f2e3d4c`: the audit log tells tokens apart by the beginning of their hash. */
  readonly name: string;
}

const fingerprintOf = (token: string): string => createHash('sha256').update(token).digest('hex').slice(0, 8);
const actorOf = (role: OpsRole, token: string): Actor => ({ role, name: `${role}:${fingerprintOf(token)}` });

/** The tokens of the operations REST. */
export class OpsTokens {
  private readonly known: readonly { readonly token: string; readonly actor: Actor }[];

  constructor(operatorToken: string, viewerToken: string | undefined) {
    const viewers = viewerToken === undefined ? [] : [{ token: viewerToken, actor: actorOf('viewer', viewerToken) }];
    this.known = [{ token: operatorToken, actor: actorOf('operator', operatorToken) }, ...viewers];
  }

  /** Whose token it is. Every known token is compared, in constant time: the time says nothing about which one was near. */
  actorOf(token: string): Actor | undefined {
    const matches = this.known.map((known) => (secretsEqual(known.token, token) ? known.actor : undefined));
    return matches.find((actor) => actor !== undefined);
  }
}
