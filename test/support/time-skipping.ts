import { TestWorkflowEnvironment } from '@temporalio/testing';
import { findTestServer } from '../../src/dev/test-server';
import { silentProgress } from '../../src/dev/progress';

/**
 * Temporal's time-skipping server, about 2 s to start: one per test file, `teardown()` in its `afterAll`. Time skips only
 * while a workflow's result is awaited, or by `sleep`, and it is one clock for all workflows of the environment.
 */
export async function startTimeSkipping(): Promise<TestWorkflowEnvironment> {
  const path = await findTestServer(silentProgress);
  return TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path } } });
}
