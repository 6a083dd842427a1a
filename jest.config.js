/**
 * Layers as jest projects, so that each can be run and timed by itself. A project that needs PostgreSQL and Temporal names
 * the global setup; jest runs it once, and only when a test of such a project is going to run.
 */
const servers = {
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
};

/** jest has no time limit per project, so a setup file sets it from a global. */
const layer = (name, seconds, extra = {}) => ({
  displayName: name,
  testEnvironment: 'node',
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  globals: { testTimeoutMs: seconds * 1000 },
  setupFilesAfterEnv: ['<rootDir>/test/support/time-limit.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.fleetwave/'],
  // jose is ESM only, which Node.js loads by itself and jest does not.
  transformIgnorePatterns: ['/node_modules/(?!jose/)'],
  transform: {
    '^.+(\\.ts|/node_modules/jose/.+\\.js)$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'commonjs', ignoreDynamic: true },
      },
    ],
  },
  ...extra,
});

module.exports = {
  maxWorkers: 2,
  testSequencer: '<rootDir>/test/support/longest-first.js',
  reporters: ['default', 'summary', '<rootDir>/test/support/count-reporter.js'],
  projects: [
    layer('unit', 60),
    layer('activities', 180, servers),
    layer('workflows', 300, { globalSetup: '<rootDir>/test/support/time-skipping-setup.ts' }),
    layer('api', 180, servers),
    layer('integration', 600, servers),
    layer('replay', 180),
    layer('model', 3000, servers),
    layer('e2e', 900, servers),
    layer('chaos', 1800),
  ],
};
