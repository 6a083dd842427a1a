import { ConfigError, loadConfig } from '../config';
import { ProcessRecord } from './leftovers';
import { terminalProgress } from './progress';
import { startStack, type Stack } from './stack';

/** `npm start`: the whole of Fleetwave on one machine, until SIGINT or SIGTERM. A second signal kills what is left. */
async function main(): Promise<void> {
  const config = loadConfig();
  const abort = new AbortController();
  let stack: Stack | undefined;
  let stopping = false;
  const onSignal = () => {
    if (stopping) {
      new ProcessRecord(config.FLEETWAVE_DATA_DIR).killRecorded();
      process.exit(1);
    }
    stopping = true;
    process.stderr.write('stopping; a second signal forces it\n');
    abort.abort(new Error('stopped while starting'));
    stack?.stop().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    stack = await startStack({ config, progress: terminalProgress(), signal: abort.signal });
  } catch (error) {
    if (abort.signal.aborted) process.exit(0);
    throw error;
  }
  process.stdout.write(`${readyLine(stack)}\n`);
}

function readyLine(stack: Stack): string {
  const parts = [
    `API ${stack.apiUrl}/api/v1`,
    `docs ${stack.apiUrl}/docs`,
    `Temporal UI ${stack.temporalUiUrl || 'not configured'}`,
  ];
  if (stack.adminTokenMade) parts.push(`admin token ${stack.adminToken}`);
  return `ready  ${parts.join('  ')}`;
}

function fail(error: unknown): never {
  const known = error instanceof ConfigError || error instanceof Error;
  process.stderr.write(`${known ? error.message : String(error)}\n`);
  process.exit(1);
}

main().catch(fail);
