/** The structure rules of docs/architecture.md: apps are independent, libs never import apps, the domain is pure. */
const only = (lib, packages) => ({
  name: `${packages[0]}-only-in-${lib}`,
  comment: `${packages.join(', ')} may be touched in ${lib} only`,
  severity: 'error',
  from: { path: '^(apps|libs|scripts)/', pathNot: `^${lib}/|\\.(int-)?spec\\.ts$` },
  to: { path: `^node_modules/(${packages.join('|')})/` },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^k6(/|$)' } },
    {
      name: 'apps-are-independent',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'libs-never-import-apps',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^apps/' },
    },
    {
      name: 'product-never-imports-scripts-or-tests',
      severity: 'error',
      from: { path: '^(apps|libs)/' },
      to: { path: '^(scripts|test|loadtest)/' },
    },
    {
      name: 'libs-through-their-index',
      severity: 'error',
      from: { path: '^(apps|libs|scripts|test|loadtest)/([^/]+)' },
      to: { path: '^libs/([^/]+)/src/', pathNot: ['^libs/$2/', '^libs/[^/]+/src/(index|testing)\\.ts$'] },
    },
    {
      name: 'domain-and-contracts-are-pure',
      comment: 'no Nest and no I/O: node:crypto for hashing is the only built-in',
      severity: 'error',
      from: { path: '^libs/(domain|contracts)/', pathNot: '\\.spec\\.ts$' },
      to: { pathNot: '^(libs/(domain|contracts)/|node_modules/zod/|(node:)?crypto$)' },
    },
    {
      name: 'domain-does-not-know-contracts',
      severity: 'error',
      from: { path: '^libs/domain/' },
      to: { path: '^libs/contracts/' },
    },
    {
      name: 'client-stands-alone',
      severity: 'error',
      from: { path: '^libs/client/', pathNot: 'spec\\.ts$' },
      to: { path: '^libs/', pathNot: '^libs/(client|contracts)/' },
    },
    only('libs/database', ['pg', '@prisma/client', '@prisma/adapter-pg']),
    only('libs/redis', ['ioredis']),
    only('libs/queue', ['bullmq']),
    {
      name: 'gateway-holds-no-database',
      severity: 'error',
      from: { path: '^apps/gateway/', pathNot: 'spec\\.ts$' },
      to: { path: '^libs/database/' },
    },
    {
      name: 'apps-start-no-servers',
      comment: 'PostgreSQL and Redis are given to the services: a machine of its own starts them in scripts/stack',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: '^libs/localservers/|spec\\.ts$|/testing[-./]' },
      to: { path: '^libs/localservers/' },
    },
    {
      name: 'test-helpers-in-tests-only',
      severity: 'error',
      from: { path: '^(apps|libs|scripts)/', pathNot: 'spec\\.ts$|/testing[-./]' },
      to: { path: '/testing[-./]' },
    },
    {
      name: 'no-dev-dependency-in-apps',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: 'spec\\.ts$|/testing[-./]' },
      to: { dependencyTypes: ['npm-dev'] },
    },
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: '^node_modules' },
    exclude: { path: '^(dist|libs/database/src/generated)' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      conditionNames: ['source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  },
};
