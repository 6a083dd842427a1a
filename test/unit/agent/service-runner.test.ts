import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { createRandom } from '../../../src/agent/random';
import { blankRecord, type ServiceRecord } from '../../../src/agent/rules/service-record';
import { wantedServices, type WantedService } from '../../../src/agent/rules/wanted-service';
import { ServiceRunner } from '../../../src/agent/service-runner';
import { createLogger } from '../../../src/log';
import { FakeEngine, Killed } from './fake-engine';

function service(imageName: string, networkMode = 'host'): WantedService {
  const services = [{ serviceId: 1, imageName, config: { networkMode } }];
  const [wanted] = wantedServices({ '1': { services } }).usable;
  if (wanted === undefined) throw new Error('not usable');
  return wanted;
}

/** A device with its disk: what survives when its agent dies. */
class Device {
  readonly engine = new FakeEngine();
  record: ServiceRecord = blankRecord;
  lock: string | null = null;
  lockMode: 'wait' | 'reject' = 'wait';

  agent(wanted: WantedService, version: number): ServiceRunner {
    return new ServiceRunner(wanted, version, {
      ...{ engine: this.engine, deviceUuid: '5f0c9a52-0000-4000-8000-000000000000' },
      times: { settleMs: 10_000, healthMs: 60_000, pullMs: 60_000, stopSeconds: 1 },
      ...{ authFor: () => null, lock: () => this.lock, lockMode: this.lockMode },
      readRecord: () => this.record,
      writeRecord: (record) => {
        this.engine.effect('write');
        this.record = record;
      },
      ...{
        onState: () => undefined,
        random: createRandom('test'),
        log: createLogger({ level: 'silent', component: 'test' }),
      },
      signal: new AbortController().signal,
    });
  }

  /** Turns until nothing changes any more. */
  async run(agent: ServiceRunner): Promise<void> {
    for (let turns = 0; turns < 30; turns += 1) if (!(await agent.turn(await this.engine.containers()))) return;
    throw new Error(`it does not come to rest: ${this.engine.effects.slice(-10).join(', ')}`);
  }

  async runs(): Promise<string[]> {
    return (await this.engine.containers()).map(({ imageName, state }) => `${imageName} ${state}`);
  }
}

/** A device that runs app:1, proven; its effects are forgotten. */
async function running(networkMode?: string): Promise<Device> {
  const device = new Device();
  await device.run(device.agent(service('app:1', networkMode), 1));
  expect(await device.runs()).toEqual(['app:1 running']);
  device.engine.effects.length = 0;
  return device;
}

const containerEffects = ({ engine }: Device) => engine.effects.filter((effect) => effect !== 'write');

describe('a replacement', () => {
  it('pulls first, and stops the old container before the new one starts where both want the same ports', async () => {
    const device = await running();
    const agent = device.agent(service('app:2'), 2);
    await device.run(agent);
    expect(containerEffects(device)).toEqual([
      'pull app:2',
      'create app:2',
      'stop app:1',
      'start app:2',
      'remove app:1',
    ]);
    expect(agent.state).toMatchObject({ status: 'running', health: 'healthy', runs: null });
  });

  it('starts the new container beside the old one, and removes that when the new one is proven, where nothing collides', async () => {
    const device = await running('none');
    await device.run(device.agent(service('app:2', 'none'), 2));
    expect(containerEffects(device)).toEqual([
      'pull app:2',
      'create app:2',
      'start app:2',
      'stop app:1',
      'remove app:1',
    ]);
  });

  it('puts the old container back when the new one fails, and does not try again until it is told', async () => {
    const device = await running();
    device.engine.bad.add('app:2');
    const agent = device.agent(service('app:2'), 2);
    await device.run(agent);
    expect(await device.runs()).toEqual(['app:1 running']);
    expect(agent.state).toMatchObject({
      ...{ status: 'failed', message: 'CrashLoopBackOff: exited with code 3; app:1 runs again' },
      runs: { imageName: 'app:1' },
    });
    const before = device.engine.effects.length;
    await device.run(device.agent(service('app:2'), 2));
    expect(device.engine.effects).toHaveLength(before);

    device.engine.bad.clear();
    await device.run(device.agent(service('app:2'), 3));
    expect(await device.runs()).toEqual(['app:2 running']);
  });

  it('touches nothing while the lock is held, and says so in the way that is configured', async () => {
    const device = await running();
    device.lock = 'maintenance: filter change';
    for (const [lockMode, status] of [
      ['wait', 'waiting'],
      ['reject', 'rejected'],
    ] as const) {
      device.lockMode = lockMode;
      const agent = device.agent(service('app:2'), 2);
      await device.run(agent);
      expect(agent.state).toMatchObject({ status, message: device.lock, runs: { imageName: 'app:1' } });
    }
    expect(device.engine.effects).toEqual([]);
    device.lock = null;
    await device.run(device.agent(service('app:2'), 2));
    expect(await device.runs()).toEqual(['app:2 running']);
  });
});

describe('a rollback to what is proven', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  it('is tried on where the engine refuses to start it, and keeps its container', async () => {
    jest.useFakeTimers({ doNotFake: ['performance'] });
    const device = await running();
    const agent = device.agent(service('app:2'), 2);
    // Pulled, made, started; it is on trial when the target is taken back.
    for (let turns = 0; turns < 3; turns += 1) await agent.turn(await device.engine.containers());
    device.engine.refused.add('app:1');
    agent.want(service('app:1'), 3);
    await device.run(agent);
    expect(agent.state).toMatchObject({ status: 'updating', message: 'StartFailure: port is already allocated' });
    expect(await device.runs()).toContain('app:1 exited');
    expect(device.record).toMatchObject({ failed: null });

    device.engine.refused.clear();
    const before = device.engine.effects.length;
    await device.run(agent);
    expect(device.engine.effects).toHaveLength(before);
    jest.advanceTimersByTime(10_000);
    await device.run(agent);
    expect(await device.runs()).toEqual(['app:1 running']);
    expect(agent.state).toMatchObject({ status: 'running', health: 'healthy' });
  });
});

describe('another target state', () => {
  it('is not answered with what became of the one before', async () => {
    const device = await running();
    device.engine.bad.add('app:2');
    const agent = device.agent(service('app:1'), 1);
    await device.run(agent);
    agent.want(service('app:1'), 2);
    expect(agent.state).toMatchObject({ status: 'running' });
    agent.want(service('app:2'), 3);
    expect(agent.state).toMatchObject({ status: 'pending', message: null });
    await device.run(agent);
    expect(agent.state).toMatchObject({ status: 'failed' });
    agent.want(service('app:2'), 3);
    expect(agent.state).toMatchObject({ status: 'failed' });

    device.engine.bad.clear();
    device.engine.effects.length = 0;
    agent.want(service('app:2'), 4);
    expect(agent.state).toMatchObject({ status: 'pending', message: null });
    await device.run(agent);
    expect(device.engine.effects[0]).toBe('pull app:2');
    expect(agent.state).toMatchObject({ status: 'running', health: 'healthy' });
  });

  it('is not held to account for a pull that was under way for the one before', async () => {
    const device = await running();
    let refuse: (error: Error) => void = () => undefined;
    device.engine.onPull = () => new Promise((_, reject) => (refuse = reject));
    const agent = device.agent(service('app:2'), 2);
    const turn = agent.turn(await device.engine.containers());
    agent.want(service('app:3'), 3);
    refuse(new Error('manifest unknown'));
    expect(await turn).toBe(true);
    expect(agent.state).toMatchObject({ status: 'pending', message: null });
    device.engine.onPull = () => Promise.resolve(null);
    await device.run(agent);
    expect(await device.runs()).toEqual(['app:3 running']);
  });

  it('does not wait for a pull that hangs, and the pull that was given up is no failure', async () => {
    const device = await running();
    device.engine.onPull = (_, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    const agent = device.agent(service('app:2'), 2);
    const turn = agent.turn(await device.engine.containers());
    expect(agent.state).toMatchObject({ status: 'pulling' });
    agent.want(service('app:1'), 3);
    expect(await turn).toBe(true);
    await device.run(agent);
    expect(agent.state).toMatchObject({ status: 'running', health: 'healthy' });
    // Neither does it make the same image wait when it is wanted again.
    device.engine.onPull = () => Promise.resolve(null);
    agent.want(service('app:2'), 4);
    await device.run(agent);
    expect(await device.runs()).toEqual(['app:2 running']);
  });

  it('is another try, also where the one before fails after it came', async () => {
    const device = await running();
    device.engine.bad.add('app:2');
    const agent = device.agent(service('app:2'), 2);
    // Pulled, made, started: the next turn judges it.
    for (let turns = 0; turns < 3; turns += 1) await agent.turn(await device.engine.containers());
    const turn = agent.turn(await device.engine.containers());
    agent.want(service('app:2'), 3);
    expect(await turn).toBe(true);
    expect(agent.state).toMatchObject({ status: 'updating' });
    expect(device.record.failed).toMatchObject({ version: 2, tries: 1 });
  });
});

describe.each(['host', 'none'])('an agent that dies at any effect, on network %s,', (networkMode) => {
  it.each([
    ['finishes a good release', false, 'app:2 running'],
    ['has the old one running after a bad release', true, 'app:1 running'],
  ])('%s when it is started again', async (_, bad, expected) => {
    let deaths = 0;
    for (let diesAfter = 0; ; diesAfter += 1) {
      const device = await running(networkMode);
      if (bad) device.engine.bad.add('app:2');
      device.engine.diesAfter = diesAfter;
      await device.run(device.agent(service('app:2', networkMode), 2)).catch((error: unknown) => {
        if (!(error instanceof Killed)) throw error;
      });
      const died = device.engine.dead;
      Object.assign(device.engine, { dead: false, diesAfter: Number.POSITIVE_INFINITY });
      await device.run(device.agent(service('app:2', networkMode), 2));
      expect([diesAfter, ...(await device.runs())]).toEqual([diesAfter, expected]);
      if (!died) break;
      deaths += 1;
    }
    expect(deaths).toBeGreaterThan(6);
  });
});
