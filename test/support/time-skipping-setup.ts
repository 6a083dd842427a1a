import { terminalProgress } from '../../src/dev/progress';
import { findTestServer } from '../../src/dev/test-server';

/** Gets the time-skipping server once, before the workflow tests, so that its download does not count against a test. */
async function setUp(): Promise<void> {
  await findTestServer(terminalProgress());
}

module.exports = setUp;
