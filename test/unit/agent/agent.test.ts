import { expect, test } from '@jest/globals';
import { Agent } from '../../../src/agent/agent';
import { createRandom } from '../../../src/agent/random';
import { createLogger } from '../../../src/log';
import { FakeEngine } from './fake-engine';

test('a target state that could not be written is asked for again', async () => {
  const asked: (string | null)[] = [];
  let writes = 0;
  let seen: () => void = () => undefined;
  const done = new Promise<void>((resolve) => (seen = resolve));
  const agent = new Agent({
    engine: new FakeEngine(),
    link: {
      target: (etag) => {
        asked.push(etag);
        if (etag !== null) seen();
        return Promise.resolve(etag === null ? { apps: {}, version: 1, etag: 'one' } : null);
      },
      report: () => Promise.resolve(),
    },
    file: {
      path: 'state.json',
      read: () => null,
      write: () => {
        writes += 1;
        if (writes === 1) throw new Error('ENOSPC');
      },
    },
    state: { uuid: 'u', apiKey: 'k', registered: true, target: null, services: {} },
    times: { settleMs: 1, healthMs: 1, pullMs: 1, stopSeconds: 1 },
    ...{ pollMs: 5, reportMs: 5, lookMs: 5, lockMode: 'wait', lock: () => null, authFor: () => null },
    ...{ register: () => Promise.resolve(), random: createRandom('test') },
    log: createLogger({ level: 'silent', component: 'test' }),
  });
  agent.start();
  await done;
  await agent.stop();
  expect(asked.slice(0, 3)).toEqual([null, null, 'one']);
});
