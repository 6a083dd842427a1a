import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { TagAnswer } from '../../src/registry-client/answers';
import { putRegistry, type NewRegistry } from '../../src/db/registries';
import type { RolloutRules } from '../../src/domain/rules';
import { startRegistry, type RegistryServer } from '../../src/dev/registry';
import { createRegistryClient, type RegistryClient } from '../../src/registry-client/client';
import { storedRegistries } from '../../src/registry-client/stored-registries';
import { freePort } from '../../src/dev/ports';
import { image, index, pushImage, pushManifest } from '../integration/registry-client/registry-content';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';
import { seedRollout } from '../support/fleet-fixture';
import { digestOf } from '../support/intake';

/** Over Debian's docker-registry and PostgreSQL, with the client that the worker makes. */
const directory = mkdtempSync(join(tmpdir(), 'fleetwave-resolve-'));
const amd64 = image({ architecture: 'amd64', os: 'linux' });
const arm64 = image({ architecture: 'arm64', os: 'linux', variant: 'v8' });
const multi = index([
  [amd64.manifest, { architecture: 'amd64', os: 'linux' }],
  [arm64.manifest, { architecture: 'arm64', os: 'linux', variant: 'v8' }],
]);
let registry: RegistryServer;
let rig: ActivityRig;
let client: RegistryClient;
let name = '';

beforeAll(async () => {
  const started = await startRegistry({ directory });
  if (started === undefined) throw new Error('docker-registry is not installed: apt-get install docker-registry');
  registry = started;
  name = `${registry.host}/team/api`;
  const base = `${registry.url}/v2/team/api`;
  await pushImage(base, 'amd64', amd64);
  await pushImage(base, 'arm64', arm64);
  await pushManifest(base, 'multi', multi);
});
beforeEach(async () => {
  rig = await createActivityRig({
    registriesOf: (pool) => (client = createRegistryClient({ findRegistry: storedRegistries(pool, undefined) })),
  });
  await configure(registry.host);
});
afterEach(async () => {
  client.close();
  await rig.drop();
});
afterAll(async () => {
  await registry.stop();
  rmSync(directory, { recursive: true });
});

async function configure(host: string, given: Partial<NewRegistry> = {}): Promise<void> {
  const credentials = { credentials: null, credentials_kind: null, fingerprint: null };
  const settings = { url: null, insecure: true, token_realms: [], reconcile: false, updated_by: 'test' };
  await putRegistry(rig.pool, { host, ...credentials, ...settings, ...given });
}
const rollout = (tag: string, rules: Partial<RolloutRules> = {}, digest: string | null = null): Promise<string> =>
  seedRollout(rig.pool, { image: name, tag, digest, revision: 'event:1', rules });
async function stored(id: string) {
  const { rows } = await rig.pool.query('select digest, revision, resolution from image_rollouts where id = $1', [id]);
  return rows[0] as { digest: string | null; revision: string; resolution: Record<string, unknown> | null };
}
async function events(id: string): Promise<{ reason: string; data: { outcome: string } }[]> {
  const { rows } = await rig.pool.query<{ reason: string; data: { outcome: string } }>(
    `select reason, data from rollout_events where rollout_id = $1 and type = 'rollout.resolved' order by id`,
    [id],
  );
  return rows;
}

describe('a tag that is there', () => {
  it('gives the rollout its digest where the sender named none, and leaves its revision; asked twice it says the same', async () => {
    const id = await rollout('multi');
    const said = `the tag points to ${multi.digest}, for linux/amd64, linux/arm64/v8`;
    for (let time = 0; time < 2; time++) {
      expect(await rig.act.resolvePush({ rolloutId: id })).toEqual({ outcome: 'goes_on', said });
      expect(await stored(id)).toEqual({
        digest: multi.digest,
        revision: 'event:1',
        resolution: {
          ...{ outcome: 'found', digest: multi.digest, platforms: ['linux/amd64', 'linux/arm64/v8'] },
          ...{ asked_at: expect.any(String), why: null, gave_digest: true },
        },
      });
    }
    expect(await events(id)).toMatchObject([{ reason: said, data: { outcome: 'found', digest: multi.digest } }]);
  });

  it('keeps the digest that the sender named, where that is another one by now, and says nothing of its platforms', async () => {
    const own = digestOf('e');
    const id = await rollout('amd64', { platforms: ['linux/arm64'] }, own);
    const said = `the tag points to ${amd64.manifest.digest}, which has or will have a push of its own; this one keeps ${own}; platforms unknown: the platforms of ${own} were not asked for`;
    expect(await rig.act.resolvePush({ rolloutId: id })).toEqual({ outcome: 'goes_on', said });
    expect(await stored(id)).toMatchObject({
      digest: own,
      resolution: { outcome: 'found', digest: amd64.manifest.digest, platforms: null, gave_digest: false },
    });
  });

  it('ends it where that is the image that was rolled back, unless a person asked for it or has lifted the hold', async () => {
    const pushed = (revision: string) =>
      seedRollout(rig.pool, { image: name, tag: 'multi', digest: null, revision, rules: {} });
    const bad = await pushed('event:1');
    await rig.act.resolvePush({ rolloutId: bad });
    await rig.pool.query(`update image_rollouts set status = 'rolled_back', ended_at = now() where id = $1`, [bad]);
    await rig.pool.query(
      `insert into image_holds (image, tag, revision, rollout_id, reason) values ($1, 'multi', 'event:1', $2, 'three of five failed')`,
      [name, bad],
    );
    const again = await pushed('event:2');
    await rig.pool.query(`update image_rollouts set trigger = 'webhook' where id = $1`, [again]);
    const held = { outcome: 'unfit', reason: expect.stringMatching(/three of five failed\. DELETE .*\/holds\//) };
    for (let time = 0; time < 2; time++) expect(await rig.act.resolvePush({ rolloutId: again })).toEqual(held);
    await rig.pool.query(`update image_rollouts set trigger = 'manual' where id = $1`, [again]);
    expect(await rig.act.resolvePush({ rolloutId: again })).toMatchObject({ outcome: 'goes_on' });
    await rig.pool.query(`update image_rollouts set trigger = 'webhook' where id = $1`, [again]);
    await rig.pool.query('update image_holds set lifted_at = now()');
    expect(await rig.act.resolvePush({ rolloutId: again })).toMatchObject({ outcome: 'goes_on' });
  });

  it('its digest is what is pinned, and what a device has to report', async () => {
    const [device = ''] = await rig.devices([{ image: `${name}:multi` }]);
    const id = await rollout('multi', { steps: [{ percent: 100 }], soakSeconds: 0 });
    await rig.act.resolvePush({ rolloutId: id });
    expect(await rig.act.planRollout({ rolloutId: id })).toMatchObject({ digest: multi.digest });
    await rig.act.applyBatch({ rolloutId: id, batch: 1 });
    const pinned = `${name}:multi@${multi.digest}`;
    expect(await rig.targets()).toEqual([pinned]);
    await rig.report(device, `${name}:multi`);
    expect(await rig.states(id)).toMatchObject([{ status: 'scheduled' }]);
    await rig.report(device, pinned);
    expect(await rig.states(id)).toMatchObject([{ status: 'completed' }]);
  });

  it.each([
    ['another digest is no proof, though the target names the tag alone', digestOf('e'), 'scheduled'],
    ['this digest is', multi.digest, 'completed'],
  ])('a device that reports %s', async (_, reported, status) => {
    const [device = ''] = await rig.devices([{ image: `${name}:older` }]);
    const id = await rollout('multi', { steps: [{ percent: 100 }], soakSeconds: 0 });
    await rig.act.resolvePush({ rolloutId: id });
    await rig.act.planRollout({ rolloutId: id });
    await rig.act.applyBatch({ rolloutId: id, batch: 1 });
    expect(await rig.targets()).toEqual([`${name}:multi`]);
    await rig.report(device, `${name}:multi@${reported}`);
    expect(await rig.states(id)).toMatchObject([{ status }]);
  });
});

describe('platforms that a policy asks for', () => {
  it('one that is missing ends it, saying which', async () => {
    const id = await rollout('amd64', { platforms: ['linux/amd64', 'linux/arm64', 'linux/arm/v7'] });
    const reason = `${name}:amd64 is not made for linux/arm64, linux/arm/v7, which its policy asks for ("platforms"), only for linux/amd64: push it for all of them`;
    for (let time = 0; time < 2; time++)
      expect(await rig.act.resolvePush({ rolloutId: id })).toEqual({ outcome: 'unfit', reason });
  });

  it('those of an index are there, a variant or not', async () => {
    const id = await rollout('multi', { platforms: ['linux/amd64', 'linux/arm64', 'linux/arm64/v8'] });
    expect(await rig.act.resolvePush({ rolloutId: id })).toMatchObject({ outcome: 'goes_on' });
  });
});

describe('a tag that is not there', () => {
  it('is asked for anew each time, and taken when it has come; only news are told', async () => {
    const id = await rollout('later');
    const reason = `${name}:later is not at its registry: push it again; where that is the very same image, trigger the update with "force": true`;
    for (let time = 0; time < 2; time++)
      expect(await rig.act.resolvePush({ rolloutId: id })).toEqual({ outcome: 'absent', reason });
    expect(await stored(id)).toMatchObject({ digest: null, resolution: { outcome: 'absent' } });
    await pushManifest(`${registry.url}/v2/team/api`, 'later', amd64.manifest);
    expect(await rig.act.resolvePush({ rolloutId: id })).toMatchObject({ outcome: 'goes_on' });
    expect((await stored(id)).digest).toBe(amd64.manifest.digest);
    expect((await events(id)).map((event) => event.data.outcome)).toEqual(['absent', 'found']);
  });
});

describe('what cannot be learned is unknown, and goes on without a digest', () => {
  async function unknown(id: string, why: RegExp): Promise<void> {
    const said = expect.stringMatching(new RegExp(`^not checked, which stops nothing: .*${why.source}`));
    expect(await rig.act.resolvePush({ rolloutId: id })).toEqual({ outcome: 'goes_on', said });
    expect(await stored(id)).toMatchObject({ digest: null, resolution: { outcome: 'unknown', platforms: null } });
    expect(await events(id)).toMatchObject([{ reason: said }]);
  }

  it('a registry that is not configured', async () => {
    await rig.pool.query('delete from registries');
    await unknown(
      await rollout('amd64', { platforms: ['linux/riscv64'] }),
      / is not configured; PUT \/api\/v1\/registries\/\S+ has it asked what a tag points to \(docs\/registries\.md\)$/,
    );
  });

  it('one that is away, after a few seconds', async () => {
    const host = `127.0.0.1:${await freePort()}`;
    await configure(host);
    await unknown(
      await seedRollout(rig.pool, { image: `${host}/team/api`, tag: '1' }),
      /cannot be reached|refused|ECONN/i,
    );
  });

  it('one whose credentials cannot be opened', async () => {
    const sealed = { credentials: Buffer.from('sealed'), credentials_kind: 'token' as const, fingerprint: 'abc' };
    await configure(registry.host, sealed);
    await unknown(await rollout('amd64'), /FLEETWAVE_SECRETS_KEY is not set/);
  });

  it('a worker that asks none', async () => {
    const without = await createActivityRig();
    const id = await seedRollout(without.pool, {});
    const said = 'not checked, which stops nothing: this worker asks no registries';
    expect(await without.act.resolvePush({ rolloutId: id })).toEqual({ outcome: 'goes_on', said });
    await without.drop();
  });

  it('an answer that does not come within 15 seconds', async () => {
    const silent = { resolveTag: () => new Promise<TagAnswer>(() => undefined), listTags: client.listTags };
    const slow = await createActivityRig({ registriesOf: () => silent });
    const id = await seedRollout(slow.pool, {});
    const said = 'not checked, which stops nothing: its registry did not answer within 15 s';
    expect(await slow.act.resolvePush({ rolloutId: id })).toEqual({ outcome: 'goes_on', said });
    await slow.drop();
  });
});

describe('is safe to run twice', () => {
  it('two tries at once write one answer and one event', async () => {
    const id = await rollout('multi');
    await Promise.all([rig.act.resolvePush({ rolloutId: id }), rig.act.resolvePush({ rolloutId: id })]);
    expect(await events(id)).toHaveLength(1);
  });

  it('a rollout that is planned keeps what it was planned with', async () => {
    await rig.devices([{ image: `${name}:older` }]);
    const id = await rollout('amd64', { platforms: ['linux/arm64'] });
    await rig.act.planRollout({ rolloutId: id });
    expect(await rig.act.resolvePush({ rolloutId: id })).toEqual({ outcome: 'goes_on', said: null });
    expect(await stored(id)).toMatchObject({ digest: null, resolution: null });
  });

  it('one that ends while the registry is asked keeps its end', async () => {
    const id = await rollout('absent-tag');
    const ending = { status: 'cancelled' as const, reason: 'test', actor: 'test', error: null, hold: false };
    const asked = rig.act.resolvePush({ rolloutId: id });
    await rig.act.finishRollout({ rolloutId: id, ...ending });
    await asked;
    expect(await rig.act.resolvePush({ rolloutId: id })).toMatchObject({ outcome: 'goes_on' });
  });

  it('there is nothing to ask for a rollout that is not there', async () => {
    const rolloutId = '00000000-0000-4000-8000-000000000000';
    await expect(rig.act.resolvePush({ rolloutId })).rejects.toMatchObject({ type: 'RolloutNotFound' });
  });
});
