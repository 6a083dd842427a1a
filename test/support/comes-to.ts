import { expect } from '@jest/globals';
import type { RolloutStatusView } from '../../src/workflows/messages';
import { until } from './outage';
import type { Story } from './workflow-rig';

/**
 * Waits until the status of a rollout is so, on the real clock: nothing is skipped meanwhile, so no timer of more than a minute
 * can have brought it there, and a slow machine is only waited for.
 */
export async function comesTo(handle: Story['handle'], view: object): Promise<void> {
  const look = () => handle.query<RolloutStatusView>('status');
  const isSo = (seen: RolloutStatusView): boolean => {
    try {
      expect(seen).toMatchObject(view);
      return true;
    } catch {
      return false;
    }
  };
  await until(async () => isSo(await look())).catch(() => undefined);
  expect(await look()).toMatchObject(view);
}
