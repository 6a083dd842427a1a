import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker, type WorkflowBundle } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';

/** Recorded from real servers with `npm run history:record`, named for the release that ran them. Never edited, only added. */
const HISTORIES = join(__dirname, 'histories');
const files = readdirSync(HISTORIES).filter((name) => name.endsWith('.json'));
const historyOf = (file: string): unknown => JSON.parse(readFileSync(join(HISTORIES, file), 'utf8'));
const quiet = new DefaultLogger('ERROR', () => undefined);

let today: WorkflowBundle;
let changed: WorkflowBundle;
beforeAll(async () => {
  Runtime.install({
    logger: quiet,
    telemetryOptions: { logging: { forward: {}, filter: { core: 'ERROR', other: 'ERROR' } } },
  });
  today = await bundleWorkflowCode({ workflowsPath: require.resolve('../../src/workflows'), logger: quiet });
  changed = await bundleWorkflowCode({ workflowsPath: require.resolve('./fixtures/changed-rollout'), logger: quiet });
});

describe('histories of released builds', () => {
  it('are there', () => {
    expect(files.length).toBeGreaterThanOrEqual(6);
  });

  it.each(files)("%s replays on today's workflow", async (file) => {
    await Worker.runReplayHistory({ workflowBundle: today }, historyOf(file));
  });

  it.each(files)('%s does not replay on a workflow that was changed without a patch', async (file) => {
    await expect(Worker.runReplayHistory({ workflowBundle: changed }, historyOf(file))).rejects.toThrow(
      DeterminismViolationError,
    );
  });
});
