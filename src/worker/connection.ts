import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import type { Config } from '../config';
import type { Logger } from '../log';

/** Between two tries to reach Temporal; a worker waits for it rather than end and be restarted by somebody. */
const RETRY_MS = 2000;

/** Connects with TLS and keys from Temporal's own environment and profile; waits for a server that is away. */
export async function connectTemporal(config: Config, log: Logger, stopping: AbortSignal): Promise<NativeConnection> {
  const { connectionOptions } = loadClientConnectConfig();
  const address = config.TEMPORAL_ADDRESS ?? connectionOptions.address ?? '127.0.0.1:7233';
  for (let told = false; ; told = true) {
    stopping.throwIfAborted();
    try {
      return await NativeConnection.connect({ ...connectionOptions, address });
    } catch (error) {
      if (!told) log.warn({ err: error, address }, 'Temporal is not reachable yet; waiting for it');
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
