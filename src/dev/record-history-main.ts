import { writeFile } from 'node:fs/promises';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { loadConfig } from '../config';

/**
 * `npm run history:record -- <workflow id> <file>`: keeps the history of a rollout that a released build has run, so that
 * every later build is held against it (test/replay). The server is the one of TEMPORAL_ADDRESS.
 */
async function main(workflowId: string | undefined, file: string | undefined): Promise<void> {
  if (workflowId === undefined || file === undefined)
    throw new Error(
      'give a workflow id and a file: npm run history:record -- rollout:docker.io/library/redis:7 redis.json',
    );
  const config = loadConfig();
  const connection = await Connection.connect({ address: config.TEMPORAL_ADDRESS ?? '127.0.0.1:7233' });
  try {
    const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
    const history = await client.workflow.getHandle(workflowId).fetchHistory();
    await writeFile(file, historyToJSON(history));
    process.stdout.write(`${file}: ${history.events?.length ?? 0} events\n`);
  } finally {
    await connection.close();
  }
}

main(process.argv[2], process.argv[3]).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
