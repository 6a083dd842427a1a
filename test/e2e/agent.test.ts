import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePort } from '../../src/dev/ports';
import { startAgentFleet, type AgentFleet } from '../support/agent-fleet';
import type { AgentProcess } from '../support/agent-process';
import { buildApp, pushApp, type AppVersion } from '../support/static-app';

/** Nothing here is played: a real registry, a real container engine, five agents, and containers that really run or exit. */

const DEVICES = 5;
const REPOSITORY = 'edge/web';
let fleet: AgentFleet;
let agents: AgentProcess[];

beforeAll(async () => {
  fleet = await startAgentFleet();
  await push({ version: '1' });
  agents = await fleet.agents(await Promise.all(Array.from({ length: DEVICES }, (_, index) => target(index))));
});
afterAll(() => fleet.cleanups.run());

/** Three devices share the machine's network, so that old and new cannot run at once; two have none, and start side by side. */
async function target(index: number): Promise<object> {
  const port = await freePort();
  const config =
    index < 3
      ? {
          ...{ networkMode: 'host', environment: { PORT: port } },
          readinessProbe: { type: 'http', path: '/', port, periodSeconds: 1 },
        }
      : { networkMode: 'none', readinessProbe: { type: 'exec', command: ['/app', 'version'], periodSeconds: 1 } };
  const service = { serviceId: 1, serviceName: 'web', imageName: `${fleet.registry.host}/${REPOSITORY}:1`, config };
  return { '1001': { appName: 'shop', services: [service] } };
}

async function push(app: AppVersion): Promise<string> {
  return pushApp(await buildApp(app), { registry: fleet.registry.host, repository: REPOSITORY, tag: app.version });
}

test('five agents run version 1, each in a container of its own and in less than 80 MB', async () => {
  await fleet.allRun(agents, '1');
  const megabytes = agents.map((agent) => Math.round(agent.residentMegabytes()));
  process.stdout.write(`\nresident memory of the agents in MB: ${megabytes.join(', ')}\n`);
  expect(Math.max(...megabytes)).toBeLessThan(80);
});

test("version 2 goes out in batches of 1, 2 and 2 by the registry's own notification, and really runs", async () => {
  await fleet.stack.policy({
    ...{ image_pattern: `${fleet.registry.host}/${REPOSITORY}:*`, update_strategy: 'staged', batch_delay_seconds: 0 },
    batches: [{ count: 1 }, { count: 2 }, { count: 2 }],
    health: { timeout_seconds: 90, soak_seconds: 1 },
    rollback_timeout_seconds: 60,
  });
  await fleet.show('before version 2');
  const digest = await push({ version: '2' });
  const id = await fleet.rolloutOf('2');
  await fleet.stack.reaches(id, ['completed'], 120_000);
  await fleet.show('after version 2');

  await fleet.allRun(agents, '2', 0);
  expect((await fleet.stack.call('GET', `/rollouts/${id}`)).body).toMatchObject({
    ...{ trigger: 'webhook', digest, counts: { planned: 5, attempted: 5, healthy: 5 } },
    batches: [{ planned: 1 }, { planned: 2 }, { planned: 2 }],
  });
  // The digest of the index, which is what the registry told, not that of the manifest under it.
  const { rows } = await fleet.stack.pool.query<{ digest: string }>(
    "select apps #>> '{1001,services,0,imageDigest}' as digest from device_current_state",
  );
  expect(rows).toEqual(Array.from({ length: DEVICES }, () => ({ digest })));
});

test('version 3 exits at once: the first batch fails by its health, and every container really runs version 2 again', async () => {
  await push({ version: '3', exits: 3 });
  const id = await fleet.rolloutOf('3');
  await fleet.stack.reaches(id, ['rolled_back'], 120_000);
  await fleet.show('after version 3 was taken back');

  await fleet.allRun(agents, '2', 0);
  const { body } = await fleet.stack.call('GET', `/rollouts/${id}`);
  expect(body).toMatchObject({ counts: { planned: 5, attempted: 1, rolled_back: 1 } });
  const { rows } = await fleet.stack.pool.query<{ reason: string }>(
    "select reason from rollout_events where rollout_id = $1 and type = 'device.failed'",
    [id],
  );
  expect(rows.map(({ reason }) => reason)).toEqual([
    // Between its end and the engine's next start, or after that: then the engine tells no code any more.
    expect.stringMatching(
      /^CrashLoopBackOff: web failed: (?:exited with code 3|restarted (?:once|\d+ times)(?:, exit code 3)?); .* is put back$/,
    ),
  ]);
  // What did not prove itself is gone, and nothing else is left.
  expect(await fleet.podman.podman('ps', '--all', '--quiet')).toMatch(/^(?:[0-9a-f]+\n){5}$/);
});
