import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePort } from '../../src/dev/ports';
import { startRegistry, type RegistryServer } from '../../src/dev/registry';
import { agentProcess, type AgentProcess } from '../support/agent-process';
import { until } from '../support/outage';
import { startPodman, type Podman } from '../support/podman';
import { startTestStack, type TestStack } from '../support/stack-fixture';
import { buildApp, pushApp, type AppVersion } from '../support/static-app';

/** Nothing here is played: a real registry, a real container engine, five agents, and containers that really run or exit. */

const DEVICES = 5;
const REPOSITORY = 'edge/web';
const directory = mkdtempSync(join(tmpdir(), 'fleetwave-agents-'));
const cleanups: (() => Promise<unknown>)[] = [];
let stack: TestStack;
let registry: RegistryServer;
let podman: Podman;
let agents: AgentProcess[];

beforeAll(async () => {
  stack = await startTestStack();
  cleanups.push(() => stack.close());
  const notify = { url: `${stack.apiUrl}/api/v1/webhooks/docker-registry` };
  const started = await startRegistry({ directory, notify });
  if (started === undefined) throw new Error('docker-registry is not installed: apt-get install docker-registry');
  registry = started;
  cleanups.push(() => registry.stop());
  podman = await startPodman([registry.host]);
  cleanups.push(() => podman.close());

  await push({ version: '1' });
  const credentials = await stack.devices(await Promise.all(Array.from({ length: DEVICES }, (_, n) => target(n))));
  agents = credentials.map((device) =>
    agentProcess({ ...device, directory, apiUrl: stack.apiUrl, socket: podman.socket }),
  );
  cleanups.push(() => Promise.all(agents.map((agent) => agent.stop())));
  for (const agent of agents) await agent.start();
});

afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  rmSync(directory, { recursive: true, force: true });
});

/** Three devices share the machine's network, so that old and new cannot run at once; two have none, and start side by side. */
async function target(index: number): Promise<object> {
  const onNetwork = index < 3;
  const port = await freePort();
  const config = onNetwork
    ? {
        networkMode: 'host',
        environment: { PORT: port },
        readinessProbe: { type: 'http', path: '/', port, periodSeconds: 1 },
      }
    : { networkMode: 'none', readinessProbe: { type: 'exec', command: ['/app', 'version'], periodSeconds: 1 } };
  const service = { serviceId: 1, serviceName: 'web', imageName: `${registry.host}/${REPOSITORY}:1`, config };
  return { '1001': { appName: 'shop', services: [service] } };
}

async function push(app: AppVersion): Promise<string> {
  return pushApp(await buildApp(app), { registry: registry.host, repository: REPOSITORY, tag: app.version });
}

/** What runs in the containers of each device, as the containers themselves say. */
async function versions(): Promise<string[][]> {
  return Promise.all(
    agents.map(async ({ uuid }) =>
      (await podman.running(`dev.fleetwave.device=${uuid}`)).map(({ version }) => version),
    ),
  );
}

async function showContainers(when: string): Promise<void> {
  process.stdout.write(`\npodman ps ${when}:\n${await podman.ps()}`);
}

async function rolloutOf(tag: string): Promise<string> {
  let id = '';
  await until(async () => {
    const { rows } = await stack.pool.query<{ id: string }>('select id from image_rollouts where tag = $1', [tag]);
    id = rows[0]?.id ?? '';
    return id !== '';
  });
  return id;
}

function all(version: string): string[][] {
  return Array.from({ length: DEVICES }, () => [version]);
}

test('five agents run version 1 in containers of their own', async () => {
  await until(async () => JSON.stringify(await versions()) === JSON.stringify(all('1')), 60_000);
  expect(agents.map((agent) => agent.residentMegabytes() < 80)).toEqual(agents.map(() => true));
});

test("version 2 goes out in batches of 1, 2 and 2 by the registry's own notification, and really runs", async () => {
  await stack.policy({
    ...{ image_pattern: `${registry.host}/${REPOSITORY}:*`, update_strategy: 'staged', batch_delay_seconds: 0 },
    batches: [{ count: 1 }, { count: 2 }, { count: 2 }],
    health: { timeout_seconds: 90, soak_seconds: 1 },
    rollback_timeout_seconds: 60,
  });
  await showContainers('before version 2');
  const digest = await push({ version: '2' });
  const id = await rolloutOf('2');
  await stack.reaches(id, ['completed'], 120_000);
  await showContainers('after version 2');

  expect(await versions()).toEqual(all('2'));
  expect((await stack.call('GET', `/rollouts/${id}`)).body).toMatchObject({
    ...{ trigger: 'webhook', digest, counts: { planned: 5, attempted: 5, healthy: 5 } },
    batches: [{ planned: 1 }, { planned: 2 }, { planned: 2 }],
  });
  const { rows } = await stack.pool.query<{ digest: string; containers: number }>(
    "select apps #>> '{1001,services,0,imageDigest}' as digest from device_current_state",
  );
  expect(rows).toEqual(Array.from({ length: DEVICES }, () => ({ digest })));
});

test('version 3 exits at once: the first batch fails by its health, and every container really runs version 2 again', async () => {
  await push({ version: '3', exits: 3 });
  const id = await rolloutOf('3');
  await stack.reaches(id, ['rolled_back'], 120_000);
  await showContainers('after version 3 was taken back');

  expect(await versions()).toEqual(all('2'));
  const { body } = await stack.call('GET', `/rollouts/${id}`);
  expect(body).toMatchObject({ counts: { planned: 5, attempted: 1, rolled_back: 1 } });
  const { rows } = await stack.pool.query<{ reason: string }>(
    "select data->>'reason' as reason from rollout_events where rollout_id = $1 and type = 'device.failed'",
    [id],
  );
  expect(rows.map(({ reason }) => reason)).toEqual([expect.stringContaining('CrashLoopBackOff: exited with code 3')]);
  // What did not prove itself is gone, nothing else was touched.
  expect(await podman.podman('ps', '--all', '--quiet')).toMatch(/^(?:[0-9a-f]+\n){5}$/);
});
