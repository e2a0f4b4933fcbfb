/** A process that never rests, so that whoever is on its core gets a part of it alone. */
process.on('disconnect', () => process.exit());
const turn = (): void => {
  const endMs = performance.now() + 10;
  while (performance.now() < endMs);
  setImmediate(turn);
};
turn();
