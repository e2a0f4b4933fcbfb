import { createHmac } from 'node:crypto';
import { open } from 'node:fs/promises';

const tokensPerWrite = 5_000;
const lifeSeconds = 7 * 24 * 3600;

/** Session tokens as a host application makes them: JWT, HS256, its own user ids. */
export class TokenMaker {
  private readonly head = encoded({ alg: 'HS256', typ: 'JWT' });

  /** `series` tells tokens of the same users apart: those of another series were never seen by a gateway. */
  constructor(
    private readonly secret: string,
    private readonly series: string,
    private readonly nowSeconds: number,
  ) {}

  make(user: number): string {
    return this.makeFor(userIdOf(user));
  }

  makeFor(userId: string): string {
    const { series: jti, nowSeconds: iat } = this;
    const signed = `${this.head}.${encoded({ sub: userId, iat, exp: iat + lifeSeconds, jti })}`;
    return `${signed}.${createHmac('sha256', this.secret).update(signed).digest('base64url')}`;
  }

  /** Writes the tokens of users 0 to `count` − 1, one a line. */
  async writeFile(path: string, count: number): Promise<void> {
    const file = await open(path, 'w', 0o600);
    try {
      for (let first = 0; first < count; first += tokensPerWrite) {
        const users = Array.from({ length: Math.min(tokensPerWrite, count - first) }, (_, at) => first + at);
        await file.write(users.map((user) => `${this.make(user)}\n`).join(''));
      }
    } finally {
      await file.close();
    }
  }
}

export const userIdOf = (user: number): string => `user-${String(user).padStart(7, '0')}`;

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
