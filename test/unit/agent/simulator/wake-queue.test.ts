import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { WakeQueue } from '../../../../src/agent/simulator/wake-queue';

test('sleepers come out by time, and only those that are due', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 100 })), fc.integer({ min: 0, max: 100 }), (times, now) => {
      const queue = new WakeQueue<{ wakeAt: number }>();
      for (const wakeAt of times) queue.push({ wakeAt });
      const woken: number[] = [];
      for (let next = queue.popDue(now); next !== undefined; next = queue.popDue(now)) woken.push(next.wakeAt);
      const sorted = [...times].sort((a, b) => a - b);
      expect(woken).toEqual(sorted.filter((time) => time <= now));
      expect(queue.nextAt()).toBe(sorted.find((time) => time > now));
    }),
  );
});
