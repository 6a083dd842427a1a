import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

const BUILDS = join(__dirname, '..', 'fixtures', 'builds');
/** A worker wants one; what it would tell of is not there. */
const NO_SOURCES = { version: 3, file: 'workflow-bundle.js', sources: [], names: [], mappings: '' };

/** The workflows of a released build, as `npm run build:keep` kept them. */
export function keptBuild(release: string): { code: string } {
  const code = brotliDecompressSync(readFileSync(join(BUILDS, `${release}.js.br`))).toString();
  const map = Buffer.from(JSON.stringify(NO_SOURCES)).toString('base64');
  return { code: `${code}\n//# sourceMappingURL=data:application/json;base64,${map}` };
}
