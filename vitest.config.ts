import { defineConfig } from 'vitest/config';

/** `#libs/<name>` is its TypeScript source, as for tsc: package.json "imports", condition `source`. */
const conditions = ['source', 'node'];
const resolve = { conditions };
const ssr = { resolve: { conditions } };
const globalSetup = ['test/setup/global-setup.ts'];
/** Runs of each model test (libs/database/src/model.int-spec.ts); a few without it. */
const modelRuns = process.env['MODEL_RUNS'];

export default defineConfig({
  test: {
    // Two cores are the smallest machine; each worker also drives a PostgreSQL and a Redis.
    maxWorkers: 2,
    pool: 'forks',
    reporters: ['default'],
    projects: [
      {
        resolve,
        ssr,
        test: { name: 'unit', include: ['{apps,libs,scripts,test}/**/*.spec.ts'], testTimeout: 60_000 },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'int',
          include: ['{apps,libs,scripts}/**/*.int-spec.ts'],
          globalSetup,
          setupFiles: ['test/setup/leaks.ts'],
          provide: modelRuns === undefined ? {} : { modelRuns: Number(modelRuns) },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'e2e',
          include: ['test/**/*.e2e-spec.ts'],
          globalSetup: [...globalSetup, 'test/setup/build-setup.ts'],
          // Each file starts whole stacks of processes: one at a time.
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
