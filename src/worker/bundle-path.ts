import { join } from 'node:path';

/** Where the build puts the workflow bundle: beside the compiled worker. */
export function bundlePath(): string {
  return join(__dirname, 'workflow-bundle.js');
}
