import { startTestServers, type TestServers } from './servers';

declare global {
  /** Handed from the global setup to the global teardown, which run in the same process. */
  var fleetwaveTestServers: TestServers | undefined;
}

/** Runs once before the jest projects that need servers; jest calls it only when a test of theirs is going to run. */
async function setUp(): Promise<void> {
  const servers = await startTestServers();
  globalThis.fleetwaveTestServers = servers;
  Object.assign(process.env, servers.facts);
}

module.exports = setUp;
