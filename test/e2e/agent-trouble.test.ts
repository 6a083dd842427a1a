import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePort } from '../../src/dev/ports';
import { startRegistry } from '../../src/dev/registry';
import { startAgentFleet, type AgentFleet } from '../support/agent-fleet';
import type { AgentProcess } from '../support/agent-process';
import { until } from '../support/outage';
import { buildApp, pushApp, type AppVersion } from '../support/static-app';

/** A private registry, and everything that goes away in the wrong moment: the registry, an agent, the API. */

const REPOSITORY = 'private/web';
const USER = 'device:fleet-password';
/** bcrypt of that password. */
const HTPASSWD = 'device:$2b$05$abcdefghijklmnopqrstuu.ULNRIFYYyaS4R7Mr3NW9iWBr7hNsZS';
const auth = (directory: string) => {
  const path = join(directory, 'htpasswd');
  writeFileSync(path, `${HTPASSWD}\n`);
  return { htpasswd: { realm: 'fleetwave', path } };
};
/** Long enough to find a container on trial and to kill its agent meanwhile. */
const SETTLE_SECONDS = '4';
let fleet: AgentFleet;
let agents: AgentProcess[];

beforeAll(async () => {
  fleet = await startAgentFleet({ auth });
  const authFile = join(fleet.directory, 'auth.json');
  const entry = { auth: Buffer.from(USER).toString('base64') };
  writeFileSync(authFile, JSON.stringify({ auths: { [fleet.way.host]: entry } }));
  await push({ version: '1' });
  agents = await fleet.agents(await Promise.all([target(), target()]), {
    FLEETWAVE_AGENT_REGISTRY_AUTH: authFile,
    FLEETWAVE_AGENT_SETTLE_SECONDS: SETTLE_SECONDS,
    FLEETWAVE_AGENT_HEALTH_SECONDS: '8',
  });
  await fleet.stack.policy({
    ...{ image_pattern: `${fleet.way.host}/${REPOSITORY}:*`, update_strategy: 'auto' },
    ...{ health: { timeout_seconds: 200, soak_seconds: 1 }, max_failures: 0, rollback_timeout_seconds: 100 },
  });
});
afterAll(() => fleet.cleanups.run());

/** On the machine's network: the old container is stopped before the new one starts. */
async function target(): Promise<object> {
  const port = await freePort();
  const config = {
    ...{ networkMode: 'host', environment: { PORT: port } },
    readinessProbe: { type: 'http', path: '/', port, periodSeconds: 1 },
  };
  const service = { serviceId: 1, serviceName: 'web', imageName: `${fleet.way.host}/${REPOSITORY}:1`, config };
  return { '1001': { appName: 'shop', services: [service] } };
}

async function push(app: AppVersion): Promise<void> {
  const authorization = `Basic ${Buffer.from(USER).toString('base64')}`;
  const place = { registry: fleet.way.host, repository: REPOSITORY, tag: app.version, authorization };
  await pushApp(await buildApp(app), place);
}

interface Listed {
  id: string;
  image: string;
  state: string;
}

/** All containers of a device, running or not. */
async function containers({ uuid }: AgentProcess): Promise<Listed[]> {
  const format = '{{.ID}}\t{{.Image}}\t{{.Status}}';
  const filter = `label=dev.fleetwave.device=${uuid}`;
  const text = await fleet.podman.podman('ps', '--all', '--filter', filter, '--format', format);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', image = '', status = ''] = line.split('\t');
      return {
        id,
        image,
        state: status.startsWith('Up') ? 'running' : status.startsWith('Exited') ? 'exited' : status,
      };
    });
}

function statesOf(found: readonly Listed[]): Record<string, string> {
  return Object.fromEntries(found.map(({ image, state }) => [image.slice(image.lastIndexOf(':') + 1), state]));
}

/** What the agent last told of its service. */
async function reported({ uuid }: AgentProcess): Promise<{ status?: string; message?: string }> {
  const { body } = await fleet.stack.call('GET', `/devices/${uuid}/current-state`);
  const apps = body['apps'] as Record<string, { services?: { status?: string; message?: string }[] }> | undefined;
  return apps?.['1001']?.services?.[0] ?? {};
}

/** The old container is stopped, the new one runs and has not proven itself: nothing runs but what is on trial. */
async function killOnTrial(agent: AgentProcess, from: string, to: string): Promise<void> {
  await until(async () => {
    const states = statesOf(await containers(agent));
    return states[from] === 'exited' && states[to] === 'running';
  }, 60_000);
  agent.process().kill('SIGKILL');
  await agent.process().exited;
  expect(statesOf(await containers(agent))).toEqual({ [from]: 'exited', [to]: 'running' });
}

test('a private image is pulled with the credentials of the auth file', async () => {
  await fleet.allRun(agents, '1');
  const [stranger] = await fleet.agents([await target()]);
  await until(async () => (await reported(stranger!)).status === 'failed');
  expect((await reported(stranger!)).message).toMatch(/^ErrImagePull: .*(unauthorized|authentication required)/);
  await stranger!.stop();
  await fleet.stack.call('DELETE', `/devices/${stranger!.uuid}`);
});

test('a registry that stops in the middle of a pull delays the update and stops nothing', async () => {
  await push({ version: '2', ballast: randomBytes(4 << 20) });
  fleet.way.holdAfter(200_000);
  const id = await fleet.rolloutOf('2');
  await until(() => Promise.resolve(fleet.way.holding()));
  await fleet.registry.stop();
  fleet.way.release();
  await until(async () => (await reported(agents[0]!)).message?.startsWith('ErrImagePull') === true, 60_000);
  expect(await reported(agents[0]!)).toMatchObject({ status: 'pulling' });
  await fleet.allRun(agents, '1', 0);

  const port = Number(fleet.registry.host.split(':')[1]);
  const again = await startRegistry({
    ...{ directory: fleet.directory, port, auth: auth(fleet.directory) },
    notify: { url: `${fleet.stack.apiUrl}/api/v1/webhooks/docker-registry` },
  });
  fleet.cleanups.add(() => again!.stop());
  // Each failure doubles an agent's wait: how many there were while the registry was away is up to the engine.
  await fleet.stack.reaches(id, ['completed'], 200_000);
  await fleet.allRun(agents, '2', 0);
});

test('an agent that is killed in the middle of replacing finishes it when it is started again', async () => {
  await push({ version: '3' });
  const id = await fleet.rolloutOf('3');
  const [agent] = agents;
  await killOnTrial(agent!, '2', '3');
  await agent!.start();
  await fleet.stack.reaches(id, ['completed'], 100_000);
  await fleet.allRun(agents, '3', 0);
  expect(statesOf(await containers(agent!))).toEqual({ '3': 'running' });
});

test('an agent that is killed while a bad release is on trial puts the very container back that ran before', async () => {
  const [agent] = agents;
  const before = await containers(agent!);
  await push({ version: '4', status: '500 Broken' });
  const id = await fleet.rolloutOf('4');
  await killOnTrial(agent!, '3', '4');
  await agent!.start();
  await until(async () => (await reported(agent!)).status === 'failed', 60_000);
  expect((await reported(agent!)).message).toMatch(
    /^HealthCheckFailed: http \/ on \d+ answered 500; .*:3 (is put back|runs again)$/,
  );
  await fleet.stack.reaches(id, ['rolled_back'], 100_000);
  await fleet.allRun(agents, '3', 0);
  expect(await containers(agent!)).toEqual(before);
});

test('without the API an agent goes on with what it last knew, also after its own restart, and reports when the API is back', async () => {
  const [agent] = agents;
  await fleet.stack.api.stop();
  await agent!.stop();
  const [lost] = await containers(agent!);
  await fleet.podman.podman('rm', '--force', '--time', '1', lost!.id);
  await agent!.start();
  await fleet.allRun([agent!], '3');
  await until(() => Promise.resolve(agent!.log().includes('the report did not arrive')));

  const { rows } = await fleet.stack.pool.query<{ now: Date }>('select now()');
  await fleet.stack.api.start();
  await until(async () => {
    const heard = await fleet.stack.pool.query(
      "select from device_current_state where device_uuid = $1 and reported_at > $2 and apps #>> '{1001,services,0,status}' = 'running'",
      [agent!.uuid, rows[0]!.now],
    );
    return heard.rowCount === 1;
  });
});
