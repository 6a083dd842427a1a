import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { version } from '../../package.json';
import { builtFile } from './fleetwave-process';

const BUILDS = resolve(__dirname, '..', '..', 'test', 'fixtures', 'builds');

/**
 * `npm run build:keep`, at a release: keeps the built workflows, without what only tells where their code came from, so that every
 * later build is tried in the place of this one while rollouts run (test/integration/worker-upgrade.test.ts).
 */
function main(): void {
  const bundle = readFileSync(builtFile('worker', 'workflow-bundle.js'), 'utf8');
  const code = bundle.slice(0, bundle.lastIndexOf('//# sourceMappingURL'));
  const kept = brotliCompressSync(code, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 },
  });
  mkdirSync(BUILDS, { recursive: true });
  const file = join(BUILDS, `${version}.js.br`);
  writeFileSync(file, kept);
  process.stdout.write(`${file}: ${kept.length} bytes\n`);
}

main();
