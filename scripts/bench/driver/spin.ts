/**
 * Calls `turn` over and over, between looks at the sockets, until it says that it is done. It never sleeps: a timer is late by up to a
 * millisecond, and the driver has a core of its own.
 */
export function spin(turn: () => 'on' | 'done'): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (): void => {
      try {
        if (turn() === 'done') resolve();
        else setImmediate(next);
      } catch (error) {
        reject(error);
      }
    };
    next();
  });
}
