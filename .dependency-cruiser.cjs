/** Who may import whom (CONTRIBUTING.md has the table in words). Types and values are told apart. */
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { pathNot: allowed },
});
const source = (...folders) => folders.map((folder) => `^src/${folder}`);
const packages = (...names) => names.map((name) => `^(node_modules/)?${name}(/|$)`);
/** The rules that ask what a clock shows somewhere; a new one is added here. */
const zoneAware = '^src/domain/(windows|write-permit|plan-times|zone-offsets)\\.ts$';
/** Node's own modules have no folder; the cruiser calls them by their bare names. */
const node = [
  '^(node:)?(assert|async_hooks|buffer|child_process|crypto|dns|dns/promises|events|fs|http|https|net|os|path|process|readline|stream|string_decoder|timers|tty|url|util|v8|zlib)(/|$)',
];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, path: '^src/', pathNot: ['main\\.ts$'] },
      to: {},
    },
    only(
      'domain-is-pure',
      '^src/domain/',
      [...source('domain/'), ...packages('@js-temporal/polyfill')],
      'pure rules: no package but that of time zones, no clock, no I/O, so that every layer may rely on them',
    ),
    {
      name: 'one-file-knows-time-zones',
      severity: 'error',
      from: { pathNot: '^(src/domain/zone-offsets|test/)|node_modules' },
      to: { path: packages('@js-temporal/polyfill') },
    },
    {
      name: 'workflows-know-no-time-zones',
      comment: 'their data changes with the version of Node.js: a replay could decide otherwise',
      severity: 'error',
      from: { path: '^src/(workflows|domain)/', pathNot: zoneAware },
      to: { path: zoneAware, dependencyTypesNot: ['type-only'] },
    },
    only(
      'workflows-are-deterministic',
      '^src/workflows/',
      [...source('domain/', 'workflows/', 'activities/'), ...packages('@temporalio/workflow', '@temporalio/common')],
      'workflow code is replayed: it may know the rules and the names of activities, nothing else',
    ),
    {
      name: 'workflows-know-activities-by-type',
      severity: 'error',
      from: { path: '^src/workflows/' },
      to: { path: '^src/activities/', dependencyTypesNot: ['type-only'] },
    },
    only(
      'db-is-sql',
      '^src/db/',
      [...source('domain/', 'db/', 'log', 'config'), ...packages('pg', '@types/pg', 'node-pg-migrate'), ...node],
      'SQL in, typed rows out',
    ),
    only(
      'intake-accepts-pushes',
      '^src/intake/',
      [...source('domain/', 'db/', 'intake/'), ...packages('pg', '@types/pg', 're2js')],
      'whether a push is new and who decides about it: the same for a webhook, an operator and a look at the registry',
    ),
    only(
      'reconcile-asks-and-accepts',
      '^src/reconcile/',
      [
        ...source('domain/', 'db/', 'intake/', 'registry-client/', 'reconcile/'),
        ...packages('pg', '@types/pg'),
        ...node,
      ],
      'what registries have, against what is known of them; knows no Temporal',
    ),
    only(
      'activities-do-io',
      '^src/activities/',
      [
        ...source('domain/', 'db/', 'intake/', 'reconcile/', 'registry-client/', 'probe/', 'activities/'),
        ...packages('@temporalio/activity', '@temporalio/common', 'pg', '@types/pg', 'zod'),
      ],
      'one activity, one idempotent effect',
    ),
    only(
      'probe-looks-at-devices',
      '^src/probe/',
      [...source('domain/', 'probe/'), ...node],
      'connects to what it is given, and knows of nothing else',
    ),
    only(
      'registry-client-speaks-http',
      '^src/registry-client/',
      [
        ...source('domain/', 'db/registries', 'registry-client/', 'log', 'secret-box', 'time-limit'),
        ...packages('pg', '@types/pg', 'zod'),
        ...node,
      ],
      'asks registries, whoever wants to know',
    ),
    {
      name: 'api-starts-nothing-itself',
      severity: 'error',
      from: { path: '^src/api/' },
      to: { path: source('worker/', 'activities/', 'agent/', 'cli/', 'dev/') },
    },
    {
      name: 'api-knows-workflows-by-message',
      severity: 'error',
      from: { path: '^src/api/' },
      to: { path: '^src/workflows/', pathNot: '^src/workflows/messages', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'worker-is-not-the-api',
      severity: 'error',
      from: { path: '^src/worker/' },
      to: { path: source('api/', 'agent/', 'cli/', 'dev/') },
    },
    {
      name: 'repair-compares',
      comment: 'holds rows against workflows; it is a process of its own, and starts no part of another',
      severity: 'error',
      from: { path: '^src/repair/' },
      to: {
        path: source('activities/', 'agent/', 'cli/', 'dev/', 'probe/', 'reconcile/', 'workflows/'),
        pathNot: '^src/workflows/messages',
      },
    },
    {
      name: 'agent-and-cli-speak-http',
      severity: 'error',
      from: { path: source('agent/', 'cli/') },
      to: { path: source('db/', 'activities/', 'workflows/', 'worker/', 'dev/'), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nobody-needs-dev',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/dev/' },
      to: { path: '^src/dev/' },
    },
    { name: 'source-does-not-know-tests', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|bench)/' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['require', 'node', 'import', 'default', 'types'],
    },
  },
};
