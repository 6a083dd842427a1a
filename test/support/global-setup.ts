import { runningServers, startTestServers } from './servers';

/** Runs once before the jest projects that need servers; jest calls it only when a test of theirs is going to run. */
async function setUp(): Promise<void> {
  const servers = await startTestServers();
  runningServers.fleetwaveTestServers = servers;
  Object.assign(process.env, servers.facts);
}

module.exports = setUp;
