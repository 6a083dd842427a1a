import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { bundlePath } from './bundle-path';

/** Bundles the workflows once, at build time: a worker starts in a fraction of a second, and all run the same code. */
async function main(): Promise<void> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(__dirname, '..', 'workflows', 'index.js'),
    logger: new DefaultLogger('WARN'),
  });
  await writeFile(bundlePath(), code);
}

void main();
