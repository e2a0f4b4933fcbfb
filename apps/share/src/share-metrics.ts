import { Counter, createMetrics, Gauge, type Registry } from '#libs/runtime';

/** The figures of this process. */
export class ShareMetrics {
  readonly registry: Registry = createMetrics('share');
  readonly grabs = new Counter({
    name: 'hongbao_grabs_total',
    help: 'grabs answered, by outcome; refusals are not counted',
    labelNames: ['outcome'] as const,
    registers: [this.registry],
  });

  /** Shows a figure that is read when it is asked for. */
  watch(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }
}
