import './global-setup';

async function tearDown(): Promise<void> {
  await globalThis.fleetwaveTestServers?.stop();
}

module.exports = tearDown;
