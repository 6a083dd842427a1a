import { loadClientConnectConfig } from '@temporalio/envconfig';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { existsSync } from 'node:fs';
import { loadConfig } from '../config';
import { rolloutWorkflowType } from '../workflows/messages';
import { bundlePath } from './bundle-path';

/**
 * `npm run replay:live`: replays the histories of a server's rollouts of the last day, running and ended, on this build,
 * before it is deployed. Exit 0 when all replay; otherwise each that does not is named.
 */
async function main(hours: number): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const config = loadConfig();
  const { connectionOptions } = loadClientConnectConfig();
  const address = config.TEMPORAL_ADDRESS ?? connectionOptions.address ?? '127.0.0.1:7233';
  const connection = await Connection.connect({ ...connectionOptions, address });
  try {
    const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
    const since = new Date(Date.now() - hours * 3_600_000).toISOString();
    const query = `WorkflowType = '${rolloutWorkflowType}' AND (ExecutionStatus = 'Running' OR CloseTime > '${since}')`;
    const histories = client.workflow.list({ query }).intoHistories({ concurrency: 5 });
    const workflowBundle = existsSync(bundlePath())
      ? { codePath: bundlePath() }
      : await bundleWorkflowCode({ workflowsPath: require.resolve('../workflows') });
    let replayed = 0;
    let broken = 0;
    for await (const result of Worker.runReplayHistories({ workflowBundle }, histories)) {
      replayed += 1;
      if (result.error === undefined) continue;
      broken += 1;
      process.stderr.write(`${result.workflowId} does not replay: ${result.error.message}\n`);
    }
    process.stdout.write(
      `${replayed - broken} of ${replayed} rollouts of the last ${hours} hours replay on this build\n`,
    );
    if (broken > 0) process.exitCode = 1;
  } finally {
    await connection.close();
  }
}

main(Number(process.argv[2] ?? 24)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
