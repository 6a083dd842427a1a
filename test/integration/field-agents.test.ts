import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fieldAgent, type FieldAgent, type Machine } from '../support/field-agents';
import { until } from '../support/outage';
import { startTestStack, type TestStack } from '../support/stack-fixture';

/** Agents of both generations, true to the wire, from their provisioning on, against the API and the worker as processes. */
let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({ FLEETWAVE_LEGACY_AGENTS: 'allow' });
});
afterAll(async () => {
  await stack.close();
});

const machine: Machine = {
  exits: (image) => image.endsWith(':3-exits'),
  cannotPull: (image) => image.endsWith(':4-missing'),
};

/** As stored documents of the original have it: in one field, in the other, or in both. */
const documents = (image: string): object[] => [
  { '1002': { appId: 1002, appName: 'cache', services: [{ serviceId: 2, serviceName: 'cache', config: { image } }] } },
  { '1002': { appId: 1002, appName: 'cache', services: [{ serviceId: 2, serviceName: 'cache', imageName: image }] } },
  {
    '1002': {
      ...{ appId: 1002, appName: 'cache' },
      services: [{ serviceId: 2, serviceName: 'cache', imageName: image, config: { image, ports: ['6379:6379'] } }],
    },
  },
];

interface Shown {
  status: string;
  counts: Record<string, number>;
  batches: { number: number; status: string; rule: string | null }[];
}
const rollout = async (id: string): Promise<Shown> =>
  (await stack.call('GET', `/rollouts/${id}`)).body as unknown as Shown;

describe.each(['first', 'late'] as const)('agents of the %s generation', (generation) => {
  const repository = `agents-${generation}`;
  let agents: FieldAgent[];
  const turnUntil = async (holds: () => Promise<boolean> | boolean): Promise<void> =>
    until(async () => {
      for (const agent of agents) await agent.turn();
      return holds();
    }, 120_000);
  const all = (tag: string): string[] => agents.map(() => `${repository}:${tag}`);
  const running = (): string[] => agents.flatMap((agent) => agent.images());
  const runsEverywhere = (tag: string): boolean => JSON.stringify(running()) === JSON.stringify(all(tag));
  const push = async (tag: string): Promise<string> => {
    const { body } = await stack.push(repository, tag);
    expect(body['outcome']).toBe('started');
    return String(body['rollout_id']);
  };
  const endsAs = async (id: string, status: string): Promise<Shown> => {
    await turnUntil(async () => ['completed', 'rolled_back', 'failed'].includes((await rollout(id)).status));
    const ended = await rollout(id);
    expect([ended.status, ended.batches]).toEqual([status, ended.batches]);
    return ended;
  };
  const reasons = async (id: string, type: string): Promise<string[]> => {
    const { events } = (await stack.call('GET', `/rollouts/${id}/events?limit=500`)).body as {
      events: { type: string; device_uuid?: string; reason?: string }[];
    };
    return events.filter((event) => event.type === type).map((event) => event.reason ?? '');
  };

  test('register, exchange keys, and run what an operator gives them', async () => {
    await stack.policy({
      ...{ image_pattern: `${repository}:*`, update_strategy: 'staged', batch_delay_seconds: 0, min_sample: 1 },
      batches: [{ count: 1 }, { percent: 100 }],
      health: { timeout_seconds: 20, soak_seconds: 1 },
      rollback_timeout_seconds: 60,
    });
    const made = await stack.call('POST', '/provisioning-keys', {
      fleetId: repository,
      keyless: generation === 'first',
    });
    expect(made.status).toBe(201);
    agents = documents('').map(() => fieldAgent(generation, stack.apiUrl, machine));
    for (const agent of agents) await agent.provision(String(made.body['key']));
    for (const [index, apps] of documents(`${repository}:1`).entries()) {
      const put = await stack.call('PUT', `/devices/${agents[index]?.uuid ?? ''}/target-state`, { apps });
      expect(put.status).toBe(200);
    }
    await turnUntil(() => runsEverywhere('1'));
    for (const { uuid } of agents) {
      const { body } = await stack.call('GET', `/devices/${uuid}/current-state`);
      expect(body).toMatchObject({
        ...{ online: true, version: generation === 'first' ? null : 2 },
        apps: { '1002': { services: [{ imageName: `${repository}:1`, status: 'running' }] } },
      });
    }
  });

  test('complete a rollout, batch by batch, by their reports alone', async () => {
    const id = await push('2');
    const ended = await endsAs(id, 'completed');
    expect(running()).toEqual(all('2'));
    expect(ended.counts).toMatchObject({ attempted: 3, healthy: 3 });
    expect(ended.batches.map(({ status }) => status)).toEqual(['passed', 'passed']);
  });

  test('fail one whose container exits at once, though it runs at every other look: one device ever saw it', async () => {
    const id = await push('3-exits');
    const ended = await endsAs(id, 'rolled_back');
    expect(ended.counts).toMatchObject({ attempted: 1, rolled_back: 1 });
    expect(await reasons(id, 'device.failed')).toEqual([expect.stringContaining('exited')]);
    await turnUntil(() => runsEverywhere('2'));
    expect(agents.filter(({ history }) => history.has(`${repository}:3-exits`))).toHaveLength(1);
  });

  test('fail one that cannot be pulled by its deadline, since no agent says so, and go back', async () => {
    const id = await push('4-missing');
    // Until its deadline the batch waits: silence about a failed pull is no failure, and what it reports is no success.
    const ended = await endsAs(id, 'rolled_back');
    expect(ended.counts).toMatchObject({ attempted: 1, rolled_back: 1, healthy: 0 });
    expect(await reasons(id, 'device.timed_out')).toHaveLength(1);
    expect(await reasons(id, 'device.failed')).toEqual([]);
    expect(await reasons(id, 'device.completed')).toEqual([]);
    await turnUntil(() => runsEverywhere('2'));
  });
});
