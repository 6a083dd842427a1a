import { runningServers } from './servers';

async function tearDown(): Promise<void> {
  await runningServers.fleetwaveTestServers?.stop();
}

module.exports = tearDown;
