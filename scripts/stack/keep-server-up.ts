import type { LocalServer } from '#libs/localservers';

const delayFirstMs = 200;
const delayLastMs = 10_000;

/** Starts the server again when it dies by itself, on the same port and data, for as long as it is wanted; says so. */
export function keepServerUp(name: string, server: LocalServer, say: (line: string) => void): void {
  server.onExit(({ code, signal, expected }) => {
    if (expected) return;
    say(`${name} ended (${signal ?? `exit code ${code}`}); starting it again`);
    startAgain(name, server, say, delayFirstMs);
  });
}

function startAgain(name: string, server: LocalServer, say: (line: string) => void, delayMs: number): void {
  setTimeout(() => {
    if (!server.isWanted) return;
    server.restart().then(
      () => say(`${name} is back`),
      (error: unknown) => {
        say(`${name} cannot be started again: ${String(error)}`);
        startAgain(name, server, say, Math.min(delayMs * 2, delayLastMs));
      },
    );
  }, delayMs);
}
