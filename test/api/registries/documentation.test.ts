import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ADMIN_TOKEN } from '../api-rig';
import { registryPreamble, registrySections } from '../../support/registries-doc';
import { SECRET, startRegistryRig, type RegistryRig } from '../../support/registry-deliveries';

let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
});
afterAll(() => rig.close());

const sections = registrySections();
/** Nobody but Amazon and Google can sign as they do. */
const SIGNED_ELSEWHERE = ['sns', 'gar'];

test.each(sections)('the commands of docs/registries.md do what they say: $kind', async ({ kind, script }) => {
  const commands = `set -euo pipefail\n${registryPreamble()}\n${script.replaceAll('curl -sS', "curl -sS -w '\\n%{http_code}\\n'")}`;
  const { stdout } = await promisify(execFile)('bash', ['-c', commands], {
    env: { ...process.env, API: `${rig.url}/api/v1`, TOKEN: ADMIN_TOKEN, SECRET },
  });
  const [source, made, reply, status] = stdout.trim().split('\n');
  // The built-in source is there already.
  expect([made, JSON.parse(source ?? '').kind]).toEqual(['201', kind]);
  if (SIGNED_ELSEWHERE.includes(kind)) {
    expect(reply).toBeUndefined();
    return;
  }
  expect([status, JSON.parse(reply ?? '')]).toEqual([
    '202',
    expect.objectContaining({ outcome: 'no_matching_policy', tag: '1.4.2' }),
  ]);
  expect(JSON.parse(reply ?? '').results[0].repository).toMatch(/(?:^|\/)acme\/api$/);
});
