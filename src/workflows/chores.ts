import { CancellationScope, condition } from '@temporalio/workflow';
import { quick } from './activity-options';
import { devices, type Run } from './run';
import { takenOver, type Chore, type RolloutState } from './state';

export interface Chores {
  /** Waits for the one that is under way; later ones are not begun. */
  end(): Promise<void>;
}

/**
 * Does what commands ask for beside the story: devices are left out at once, also while it waits or is paused. While a person
 * is waited for the story does not look at its devices: this does, so that it ends when a newer rollout has taken them all.
 */
export function startChores(beside: Run): Chores {
  const { state, control, recorder } = beside;
  let ended = false;
  const newsToLookAt = (): boolean =>
    state.look && state.planned && state.stop === null && (state.paused || state.phase === 'awaiting_approval');
  const next = (): Chore | undefined =>
    state.planned ? state.chores.find((chore) => mayBegin(chore, state)) : undefined;

  async function run(): Promise<void> {
    for (;;) {
      await condition(() => ended || next() !== undefined || newsToLookAt());
      if (ended) return;
      const chore = next();
      if (chore === undefined) {
        await look(beside);
        continue;
      }
      await recorder.settled();
      const done = await doChore(chore, state.input.rolloutId);
      control.remark(done);
      control.note(`rollout.${chore.kind}_done`, { actor: chore.actor, reason: done });
      state.chores = state.chores.filter((other) => other !== chore);
      state.look = true;
      control.show();
    }
  }

  const running = CancellationScope.nonCancellable(run);
  return {
    async end() {
      ended = true;
      await running;
    },
  };
}

async function look({ state, control, recorder }: Run): Promise<void> {
  state.look = false;
  await recorder.settled();
  const { overall } = await quick.readHealth.executeWithOptions({ summary: 'count all devices' }, [
    { rolloutId: state.input.rolloutId, batch: null, soakSeconds: null },
  ]);
  state.counts = overall;
  if (takenOver(state) && state.stop === null) {
    const reason = 'the devices that were left were taken by a newer rollout of the image, or changed by somebody';
    state.stop = { kind: 'supersede', reason, actor: 'fleetwave' };
  }
  control.show();
}

/** A device may be told again only while devices are told at all. */
function mayBegin(chore: Chore, state: RolloutState): boolean {
  if (state.phase === 'rolling_back') return false;
  return chore.kind === 'exclude' || (state.phase === 'in_progress' && !state.paused);
}

async function doChore(chore: Chore, rolloutId: string): Promise<string> {
  if (chore.kind === 'retry') {
    const { told } = await quick.retryDevices.executeWithOptions({ summary: 'tell the failed devices again' }, [
      { rolloutId, attempt: null },
    ]);
    return told === 0 ? 'retry: no failed device could be told again' : `retry: ${devices(told)} told again`;
  }
  const { devices: named, reason, actor } = chore;
  const { skipped, putBack } = await quick.excludeDevices.executeWithOptions(
    { summary: `leave out ${devices(named.length)}` },
    [{ rolloutId, devices: named, reason, actor }],
  );
  const rest = named.length - skipped - putBack;
  const others = rest > 0 ? `; ${devices(rest)} had no part to be taken out of` : '';
  return `exclude: ${devices(skipped)} left out, ${devices(putBack)} put back${others}`;
}
