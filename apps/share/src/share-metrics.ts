import { Counter, createMetrics, Gauge, type Registry } from '#libs/runtime';
import type { ShareAdmission } from './share-admission.ts';

/** The figures of this process. */
export class ShareMetrics {
  readonly registry: Registry = createMetrics('share');
  readonly grabs = new Counter({
    name: 'hongbao_grabs_total',
    help: 'grabs answered, by outcome; refusals are not counted',
    labelNames: ['outcome'] as const,
    registers: [this.registry],
  });

  /** Shows how far this process has stepped back by itself. */
  watchAdmission({ local, refused }: Pick<ShareAdmission, 'local' | 'refused'>): void {
    this.watch('hongbao_admission_level', 'how far this process has stepped back by itself', () => local.level);
    new Counter({
      name: 'hongbao_requests_shed_total',
      help: 'requests refused because of the level, by class',
      labelNames: ['class'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [name, count] of Object.entries(refused)) this.inc({ class: name }, count);
      },
    });
  }

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
