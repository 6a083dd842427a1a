import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { DeviceCredentials } from '../../src/agent/simulator/fleet';
import { runCommandLine } from '../../src/cli/program';
import { appWith } from '../support/fleet-fixture';
import { digestOf, envelope } from '../support/intake';
import { until } from '../support/outage';
import { hasty, startTestStack, type Answer, type TestStack } from '../support/stack-fixture';
import { capturedTerminal } from '../unit/cli/captured-terminal';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(async () => {
  await stack.close();
});

interface Part {
  device_uuid: string;
  batch: number | null;
  status: string;
  reason: string | null;
}

async function parts(id: string): Promise<Map<string, Part>> {
  const { body } = await stack.call('GET', `/rollouts/${id}/devices?limit=500`);
  return new Map((body['devices'] as Part[]).map((part) => [part.device_uuid, part]));
}

async function target(uuid: string): Promise<unknown> {
  return (await stack.call('GET', `/devices/${uuid}/target-state`)).body['apps'];
}

async function targets(devices: readonly DeviceCredentials[]): Promise<unknown[]> {
  return Promise.all(devices.map(({ uuid }) => target(uuid)));
}

const rolloutOf = async (id: string) => (await stack.call('GET', `/rollouts/${id}`)).body;
const statusOf = async (id: string) => (await stack.call('GET', `/rollouts/${id}/status`)).body;
const eventTypes = async (id: string): Promise<string[]> =>
  ((await stack.call('GET', `/rollouts/${id}/events?limit=500`)).body['events'] as { type: string }[]).map(
    (event) => event.type,
  );

/** `fleetwave <args>`, as an operator types it. */
async function fleetwave(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const terminal = capturedTerminal();
  const code = await runCommandLine(['--url', stack.apiUrl, '--token', stack.adminToken, ...args], {
    ...{ terminal, input: process.stdin },
    version: '0',
  });
  return { code, out: terminal.out, err: terminal.err };
}

/** A rollout of `tag` that has completed on devices that ran the given images, and the fleet that played them. */
async function completed(repository: string, tag: string, before: readonly string[]) {
  await stack.policy({ ...hasty, image_pattern: `${repository}:*` });
  const devices = await stack.devices(before.map((image) => appWith(image)));
  const fleet = stack.play(devices);
  const { body } = await stack.push(repository, tag);
  const id = String(body['rollout_id']);
  await stack.reaches(id, ['completed']);
  return { id, devices, fleet };
}

describe('a completed rollout', () => {
  test('is rolled back afterwards: each device to its own image, what an operator changed is left alone and reported', async () => {
    const before = Array.from({ length: 20 }, (_, index) => `acme/later:${String(1 + (index % 4))}`);
    const { id, devices, fleet } = await completed('acme/later', '5', before);
    // Nobody confirms for now, so that it can be seen under way.
    await fleet.stop();
    const [edited, ...others] = devices;
    await stack.call('PUT', `/devices/${edited?.uuid ?? ''}/target-state`, { apps: appWith('acme/later:9') });

    const said = await fleetwave('rollback', id, '--reason', 'too slow');
    expect([said.code, said.out]).toEqual([
      0,
      'rollback: puts every device that it changed back, as a workflow of its own\n',
    ]);
    await until(async () => (await statusOf(id))['waiting_for'] === '19 devices to confirm the rollback');
    const shown = await rolloutOf(id);
    expect(shown).toMatchObject({ workflow_id: `rollback:${id}`, ended_at: null, reason: 'too slow' });
    expect(String(shown['temporal_url'])).toContain(encodeURIComponent(`rollback:${id}`));
    expect(await statusOf(id)).toMatchObject({ status: 'rolling_back', commands: ['cancel'] });
    expect(((await stack.call('GET', '/rollouts/active')).body['rollouts'] as object[]).length).toBe(1);

    const again: Answer[] = await Promise.all([1, 2].map(() => stack.call('POST', `/rollouts/${id}/rollback-all`)));
    for (const { status, body } of again)
      expect([status, body['detail']]).toEqual([409, 'rollback: it is rolling back already']);
    const pushedAgain = await stack.push('acme/later', '5');
    expect(pushedAgain.body).toMatchObject({ outcome: 'duplicate', rollout_id: id });
    const forced = { image: 'acme/later', tag: '5', force: true };
    expect((await stack.call('POST', '/images/trigger-update', forced)).status).toBe(409);

    stack.play(devices);
    await until(async () => (await stack.rolloutStatus(id)) === 'rolled_back', 60_000);
    expect(await targets(others)).toEqual(before.slice(1).map((image) => appWith(image)));
    expect(await target(edited?.uuid ?? '')).toEqual(appWith('acme/later:9'));
    const rows = await parts(id);
    expect(rows.get(edited?.uuid ?? '')).toMatchObject({
      status: 'superseded',
      reason: 'its target was changed by someone else: left alone',
    });
    expect(others.every(({ uuid }) => rows.get(uuid)?.status === 'rolled_back')).toBe(true);
    expect(await rolloutOf(id)).toMatchObject({
      status: 'rolled_back',
      reason: expect.stringMatching(/^too slow; 19 devices are back .*, 1 left to/),
      counts: { rolled_back: 19, superseded: 1 },
    });
    expect((await eventTypes(id)).filter((type) => /^rollout\.(completed|reopened|rolled_back)$/.test(type))).toEqual([
      'rollout.completed',
      'rollout.reopened',
      'rollout.rolled_back',
    ]);

    expect(await stack.executions(`rollback:${id}`)).toBe(1);
    expect((await stack.push('acme/later', '5')).body).toMatchObject({ outcome: 'held' });
    const over = await fleetwave('rollback', id);
    expect([over.code, over.err]).toEqual([1, 'error: rollback: the rollout has ended (rolled_back)\n']);
  });

  test('gives its devices to a newer revision of the same tag that comes while it is put back', async () => {
    const host = 'registry.example.com:5000';
    const image = `${host}/later/edge`;
    await stack.policy({ ...hasty, image_pattern: `${image}:*` });
    const devices = await stack.devices(Array.from({ length: 4 }, () => appWith(`${image}:1`)));
    const fleet = stack.play(devices);
    const push = async (digest: string): Promise<Record<string, unknown>> => {
      const answer = await fetch(`${stack.apiUrl}/api/v1/webhooks/docker-registry`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: envelope({ id: randomUUID(), tag: 'edge', digest: digestOf(digest), repository: 'later/edge' }),
      });
      return (await answer.json()) as Record<string, unknown>;
    };
    const older = String((await push('a'))['rollout_id']);
    await stack.reaches(older, ['completed']);
    await fleet.stop();
    expect((await stack.call('POST', `/rollouts/${older}/rollback`)).status).toBe(202);
    await until(async () => (await statusOf(older))['waiting_for'] === '4 devices to confirm the rollback');

    expect(await push('a')).toMatchObject({ outcome: 'duplicate', rollout_id: older });
    const answer = await push('b');
    const newer = String(answer['rollout_id']);
    expect([answer['outcome'], newer === older]).toEqual(['superseding', false]);
    await stack.reaches(newer, ['in_progress']);
    stack.play(devices);
    await stack.reaches(newer, ['completed']);
    await stack.reaches(older, ['rolled_back']);
    const rows = await parts(older);
    for (const { uuid } of devices)
      expect(rows.get(uuid)).toMatchObject({ status: 'superseded', reason: 'taken over by a newer rollout' });
    expect((await parts(newer)).size).toBe(4);

    // What the newer one goes back to is the last healthy image, not the one that was being taken back.
    await stack.call('POST', `/rollouts/${newer}/rollback`);
    await until(async () => (await stack.rolloutStatus(newer)) === 'rolled_back', 60_000);
    expect(await targets(devices)).toEqual(devices.map(() => appWith(`${image}:1`)));
  });

  test('of which nothing is left to put back is refused with why, and stays as it is', async () => {
    const { id, devices } = await completed('acme/overwritten', '2', ['acme/overwritten:1', 'acme/overwritten:1']);
    for (const { uuid } of devices)
      await stack.call('PUT', `/devices/${uuid}/target-state`, { apps: appWith('acme/overwritten:3') });
    const { status, body } = await stack.call('POST', `/rollouts/${id}/rollback`);
    expect([status, body['detail']]).toEqual([
      409,
      'rollback: no device holds what it wrote: 2 changed by someone else since',
    ]);
    expect(await stack.executions(`rollback:${id}`)).toBe(0);
    expect(await stack.rolloutStatus(id)).toBe('completed');
  });
});

test('one device is put back while the rollout runs, which goes on without it, and another one after its end', async () => {
  await stack.policy({
    ...hasty,
    image_pattern: 'acme/single:*',
    batches: [{ count: 3 }, { percent: 100, approval: true }],
  });
  const devices = await stack.devices(
    Array.from({ length: 6 }, (_, index) => appWith(`acme/single:1.${String(index)}`)),
  );
  stack.play(devices);
  const { body } = await stack.push('acme/single', '2');
  const id = String(body['rollout_id']);
  await stack.reaches(id, ['awaiting_approval']);
  const batches = [...(await parts(id)).values()];
  const [first, second] = batches.filter((part) => part.batch === 1).map((part) => part.device_uuid);
  const [pending, excluded] = batches.filter((part) => part.batch === 2).map((part) => part.device_uuid);
  const putBack = (uuid: string | undefined) => stack.call('POST', `/rollouts/${id}/devices/${uuid ?? ''}/rollback`);
  const previous = (uuid: string | undefined) =>
    appWith(`acme/single:1.${String(devices.findIndex((device) => device.uuid === uuid))}`);

  expect((await putBack(randomUUID())).status).toBe(404);
  expect((await putBack(pending)).body['detail']).toContain('not told anything yet');
  const during = await putBack(first);
  expect([during.status, during.body]).toEqual([
    202,
    { rollout_id: id, command: 'rollback', effect: 'puts the device back', device_uuid: first },
  ]);
  await until(async () => (await parts(id)).get(first ?? '')?.status === 'rolled_back');
  expect(await target(first ?? '')).toEqual(previous(first));
  expect((await putBack(first)).status).toBe(409);
  const left = await fleetwave('exclude', id, excluded ?? '', randomUUID(), '--reason', 'on loan');
  expect([left.code, left.out]).toEqual([
    0,
    'exclude: leaves the devices out; those already told are put back; 1 of the 2 named have no part in it\n',
  ]);
  await until(async () => (await parts(id)).get(excluded ?? '')?.status === 'skipped');

  await stack.call('POST', `/rollouts/${id}/approve`);
  await stack.reaches(id, ['completed']);
  expect(await rolloutOf(id)).toMatchObject({ counts: { healthy: 4, rolled_back: 1, skipped: 1 } });
  expect(await target(first ?? '')).toEqual(previous(first));
  expect(await target(excluded ?? '')).toEqual(previous(excluded));

  const after = await fleetwave('rollback', id, '--device', second ?? '');
  expect([after.code, after.out]).toEqual([0, 'rollback: puts the device back, as a workflow of its own\n']);
  expect((await putBack(second)).status).toBe(409);
  await until(async () => (await parts(id)).get(second ?? '')?.status === 'rolled_back');
  expect(await target(second ?? '')).toEqual(previous(second));
  expect((await putBack(second)).body['detail']).toBe('rollback: it is back on its previous image already');
  expect(await rolloutOf(id)).toMatchObject({ status: 'completed', counts: { healthy: 3, rolled_back: 2 } });
  expect(await stack.executions(`rollback:${id}:${second ?? ''}`)).toBe(1);
  const { holds } = (await stack.call('GET', '/holds')).body as { holds: { rollout_id: string }[] };
  expect(holds.filter((hold) => hold.rollout_id === id)).toEqual([]);
  expect(await eventTypes(id)).toEqual(expect.arrayContaining(['command.exclude', 'device.rollback_requested']));
});

test('advance --all makes the batches that are left one, and retry tells a failed device again', async () => {
  await stack.policy({
    ...hasty,
    image_pattern: 'acme/onward:*',
    batches: [{ count: 2 }, { count: 2 }, { percent: 100 }],
    batch_delay_seconds: 3600,
    max_failure_rate: 1,
  });
  const devices = await stack.devices(Array.from({ length: 6 }, () => appWith('acme/onward:1')));
  stack.play(devices);
  const { body } = await stack.push('acme/onward', '2');
  const id = String(body['rollout_id']);
  await until(async () => (await statusOf(id))['waiting_for'] === 'the delay before batch 2');
  const [broken] = [...(await parts(id)).values()].filter((part) => part.batch === 1);
  const uuid = broken?.device_uuid ?? '';
  const { apiKey } = devices.find((device) => device.uuid === uuid) ?? { apiKey: '' };
  const word = await fetch(`${stack.apiUrl}/api/v1/device/${uuid}/health`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-device-api-key': apiKey },
    body: JSON.stringify({ status: 'failed', message: 'disk full' }),
  });
  expect(word.status).toBe(202);
  await until(async () => (await parts(id)).get(uuid)?.status === 'failed');
  expect(await fleetwave('retry', id)).toMatchObject({ code: 0, out: 'retry: tells the failed devices again\n' });
  await until(async () => (await parts(id)).get(uuid)?.status === 'completed');

  expect((await fleetwave('advance', id, '--all')).code).toBe(0);
  await stack.reaches(id, ['completed']);
  const { batches } = (await rolloutOf(id)) as { batches: { planned: number; status: string }[] };
  expect(batches.map(({ planned, status }) => [planned, status])).toEqual([
    [2, 'passed'],
    [4, 'passed'],
  ]);
});

test.each([
  [['exclude', 'latest', 'seven'], "It is not a device's uuid."],
  [['exclude', 'latest'], "missing required argument 'uuid'"],
  [['rollback', 'latest', '--device', 'seven'], "It is not a device's uuid."],
])('fleetwave %j is wrong usage', async (args, why) => {
  const { code, err } = await fleetwave(...args);
  expect([code, err]).toEqual([2, expect.stringContaining(why)]);
});
