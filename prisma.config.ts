import { defineConfig } from 'prisma/config';

// `prisma generate` runs no engine, and yet downloads one unless it is told where it is: any program will do, and the build
// needs no network.
if (process.argv.includes('generate')) process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

// No datasource here: the services pass their own DATABASE_URL to the pg adapter, and migrations are applied by our runner.
// `prisma migrate deploy` can take over with a `datasource: { url }` added: the runner keeps Prisma's own table.
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
});
