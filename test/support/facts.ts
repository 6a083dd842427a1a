import type { ServerFacts } from './servers';

/** Where the servers of this run of jest are. Fails when the test's project does not start them (see jest.config.js). */
export function testServers(): ServerFacts {
  const facts = process.env as unknown as ServerFacts;
  if (!facts.FLEETWAVE_TEST_DATABASE_URL) {
    throw new Error('No test servers: run this test through its jest project, `npx jest --selectProjects <project>`.');
  }
  return facts;
}
