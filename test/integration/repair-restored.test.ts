import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from 'pg';
import type { DeviceCredentials } from '../../src/agent/simulator/fleet';
import { appWith } from '../support/fleet-fixture';
import { envelope } from '../support/intake';
import { until } from '../support/outage';
import { contents, onRollouts, repaired, runRepair, whatAndDoes } from '../support/repair';
import { hasty, startTestStack, type TestStack } from '../support/stack-fixture';

const IMAGES = ['redis', 'nginx', 'memcached', 'busybox', 'httpd'] as const;
type Image = (typeof IMAGES)[number];
const REGISTRY = 'registry.example.com:5000';
/** Servers are stopped and started several times: half a minute, many times that on a loaded machine. */
const LONGEST_MS = 600_000;
const DEVICES = 4;

let stack: TestStack;
let devices: Record<string, DeviceCredentials[]>;
beforeAll(async () => {
  stack = await startTestStack();
  const made = await stack.devices(
    IMAGES.flatMap((image) => Array.from({ length: DEVICES }, () => appWith(`${REGISTRY}/${image}:1`))),
  );
  devices = Object.fromEntries(
    IMAGES.map((image, index) => [image, made.slice(index * DEVICES, (index + 1) * DEVICES)]),
  );
  stack.play(made);
  for (const image of IMAGES)
    await stack.policy({
      ...{ ...hasty, image_pattern: `${REGISTRY}/${image}:*`, batches: [{ percent: 25 }, { percent: 100 }] },
      // Those wait after their first batch, until they are told otherwise.
      batch_delay_seconds: ['redis', 'httpd', 'busybox'].includes(image) ? 900 : 0,
    });
});
afterAll(async () => {
  await stack.close();
});
const { command, becomes, firstBatchPassed } = onRollouts(() => stack);

const BACKUP = 'fleetwave_backup';

/** While nobody is connected, which a copy needs. */
async function administer(...statements: string[]): Promise<void> {
  await stack.api.stop();
  await stack.worker.stop();
  const url = new URL(stack.databaseUrl);
  url.pathname = '/postgres';
  const client = new Client({ connectionString: url.href });
  await client.connect();
  await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = 'fleetwave' and pid <> pg_backend_pid()`,
  );
  for (const statement of statements) await client.query(statement);
  await client.end();
}

async function startAgain(): Promise<void> {
  await stack.worker.start();
  await stack.api.start();
}

async function backUp(): Promise<void> {
  await administer(`drop database if exists ${BACKUP}`, `create database ${BACKUP} template fleetwave`);
  await startAgain();
}

/** Leaves API and worker stopped. */
const restore = () =>
  administer('drop database fleetwave with (force)', `create database fleetwave template ${BACKUP}`);

let pushes = 0;
async function pushDigest(image: Image, tag: string): Promise<Record<string, unknown>> {
  pushes += 1;
  const digest = `sha256:${createHash('sha256').update(`${image}:${tag}`).digest('hex')}`;
  const body = envelope({ id: `restore-${pushes}`, tag, digest, repository: image });
  const answer = await fetch(`${stack.apiUrl}/api/v1/webhooks/docker-registry`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  return (await answer.json()) as Record<string, unknown>;
}
const starts = async (image: Image, tag: string): Promise<string> => {
  const body = await pushDigest(image, tag);
  expect([image, tag, body['outcome']]).toEqual([image, tag, 'started']);
  return String(body['rollout_id']);
};

async function targets(image: Image): Promise<string[]> {
  const { rows } = await stack.pool.query<{ name: string }>(
    `select apps -> '1002' -> 'services' -> 0 ->> 'imageName' as name from device_target_state where device_uuid = any ($1) order by 1`,
    [devices[image]?.map(({ uuid }) => uuid)],
  );
  return rows.map(({ name }) => name.replace(/^(.*\/)?/, '').replace(/@.*$/, ''));
}
const all = (name: string) => Array.from({ length: DEVICES }, () => name);

async function versions(): Promise<Map<string, number>> {
  const { rows } = await stack.pool.query<{ uuid: string; version: number }>(
    'select device_uuid as uuid, version::int from device_target_state',
  );
  return new Map(rows.map(({ uuid, version }) => [uuid, version]));
}

/** The newest rollout of a tag. */
async function newest(image: Image, tag: string): Promise<string> {
  const { rows } = await stack.pool.query<{ id: string }>(
    'select id from image_rollouts where repository like $1 and tag = $2 order by created_at desc limit 1',
    [`%${image}`, tag],
  );
  return rows[0]?.id ?? 'none';
}

test(
  'PostgreSQL is restored to before pushes, ends, a pause and rollbacks: none is lost, every device ends right',
  async () => {
    const redis = await starts('redis', '2');
    const httpd = await starts('httpd', '2');
    const memcached = await starts('memcached', '2');
    await firstBatchPassed(redis);
    await firstBatchPassed(httpd);
    await stack.reaches(memcached, ['completed']);
    await backUp();

    await command(redis, 'advance', 'now');
    await stack.reaches(redis, ['completed']);
    await command(httpd, 'pause', 'looks odd');
    await becomes(httpd, 'paused');
    await command(memcached, 'rollback', 'it leaks');
    await becomes(memcached, 'rolled_back');
    await stack.reaches(await starts('nginx', '2'), ['completed']);
    const bad = await starts('busybox', '2');
    await firstBatchPassed(bad);
    await command(bad, 'rollback', 'it does not start');
    await becomes(bad, 'rolled_back');
    const nginx = await starts('nginx', '3');
    await firstBatchPassed(nginx);
    const told = await versions();

    await restore();
    const before = await contents(stack);
    const found = await repaired(stack);
    expect(whatAndDoes(found)).toEqual([
      ['versions', '20 devices', 'raises the versions of their targets; each agent fetches its own once'],
      [`rollout ${redis}`, 'registry.example.com:5000/redis:2', 'starts its workflow again; it goes on from its row'],
      [
        `rollout ${httpd}`,
        'registry.example.com:5000/httpd:2',
        'starts its workflow again; it goes on from its row, paused',
      ],
      [`rollout ${memcached}`, 'registry.example.com:5000/memcached:2', 'rolls it back again'],
      ['push without a rollout', 'registry.example.com:5000/nginx:2', 'accepts the push again'],
      ['push without a rollout', 'registry.example.com:5000/busybox:2', 'places its hold again, and starts nothing'],
      ['push without a rollout', 'registry.example.com:5000/nginx:3', 'accepts the push again'],
    ]);
    expect(await contents(stack)).toEqual(before);

    expect(await runRepair(stack, '--apply')).toContain('7 found, all done.');
    expect(await runRepair(stack, '--apply')).toBe('Nothing to repair: the database and Temporal agree.\n');
    await startAgain();

    await stack.reaches(await newest('nginx', '3'), ['completed'], 120_000);
    await command(redis, 'advance', 'now, again');
    await stack.reaches(redis, ['completed'], 120_000);
    await becomes(memcached, 'rolled_back');
    await becomes(httpd, 'paused');
    expect(await Promise.all(IMAGES.map(targets))).toEqual([
      all('redis:2'),
      all('nginx:3'),
      all('memcached:1'),
      all('busybox:1'),
      ['httpd:1', 'httpd:1', 'httpd:1', 'httpd:2'],
    ]);
    expect(await pushDigest('busybox', '2')).toMatchObject({ outcome: 'held' });
    expect(await pushDigest('nginx', '3')).toMatchObject({ outcome: 'duplicate' });
    const raised = await versions();
    expect([...told].filter(([uuid, version]) => (raised.get(uuid) ?? 0) <= version)).toEqual([]);

    await command(httpd, 'resume', 'it was nothing');
    await becomes(httpd, 'in_progress');
    await command(httpd, 'advance', 'now');
    await stack.reaches(httpd, ['completed'], 120_000);
    expect(await targets('httpd')).toEqual(all('httpd:2'));
    expect(await runRepair(stack)).toBe('Nothing to repair: the database and Temporal agree.\n');
  },
  LONGEST_MS,
);

test(
  'restored with API and worker started before the repair: what they made of it is mended too',
  async () => {
    await backUp();
    const redis = await starts('redis', '4');
    await firstBatchPassed(redis);
    await restore();
    await startAgain();
    // It finds no row, and tells nobody.
    const lost = (await stack.temporalClient()).workflow.getHandle(`rollout:${REGISTRY}/redis:4`);
    await lost.signal('advance', {});
    await until(async () => (await lost.describe()).status.name !== 'RUNNING', 60_000);
    expect(await targets('redis')).toEqual(all('redis:2'));

    expect(await runRepair(stack, '--apply')).toContain('2 found, all done.');
    const again = await newest('redis', '4');
    expect(again).not.toBe(redis);
    await firstBatchPassed(again);
    await command(again, 'advance', 'now');
    await stack.reaches(again, ['completed'], 120_000);
    expect(await targets('redis')).toEqual(all('redis:4'));
    expect(await runRepair(stack, '--apply')).toBe('Nothing to repair: the database and Temporal agree.\n');
  },
  LONGEST_MS,
);
