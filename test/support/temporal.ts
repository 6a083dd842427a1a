import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { testServers } from './facts';

export interface TestTemporal {
  address: string;
  namespace: string;
  uiUrl: string;
  client: Client;
  /** For `Worker.create`. */
  nativeConnection: NativeConnection;
  /** A task queue no other test uses. */
  taskQueue: string;
  close(): Promise<void>;
}

/** Connections to the Temporal dev server of this run. Close them after the workers that use them have ended. */
export async function connectTemporal(): Promise<TestTemporal> {
  const { FLEETWAVE_TEST_TEMPORAL_ADDRESS: address, FLEETWAVE_TEST_TEMPORAL_UI_URL: uiUrl } = testServers();
  const connection = await Connection.connect({ address });
  const nativeConnection = await NativeConnection.connect({ address });
  const namespace = 'default';
  return {
    address,
    namespace,
    uiUrl,
    client: new Client({ connection, namespace }),
    nativeConnection,
    taskQueue: `test-${randomUUID()}`,
    async close() {
      await nativeConnection.close();
      await connection.close();
    },
  };
}
