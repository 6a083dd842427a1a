import type { Invariant } from '../facts';

const settled: Invariant = ({ unsettled }) => [...unsettled];

/** Beside the devices' own (test/model/invariants-moves.ts): a rollout's beginning, its stages and its end are told. */
const stagesAreTold: Invariant = ({ snapshot }) =>
  snapshot.rollouts.flatMap(({ id, status, ended, dispatched }) => {
    const types = snapshot.events.filter(({ rolloutId }) => rolloutId === id).map(({ type }) => type);
    const expected = [
      'image.webhook_received',
      'rollout.accepted',
      ...(dispatched ? ['rollout.dispatched'] : []),
      ...(ended ? [`rollout.${status}`] : []),
    ];
    const batches = snapshot.batches
      .filter(({ rolloutId, status: is }) => rolloutId === id && ['passed', 'failed', 'skipped'].includes(is))
      .map(({ status: is }) => `rollout.batch_${is}`);
    const problems = expected
      .filter((type) => types.filter((one) => one === type).length !== 1)
      .map((type) => `${id} has ${types.filter((one) => one === type).length} events ${type}`);
    for (const type of new Set(batches)) {
      const [told, done] = [types, batches].map((all) => all.filter((one) => one === type).length);
      if (told !== done) problems.push(`${id} has ${String(told)} events ${type} of ${String(done)} batches`);
    }
    return problems;
  });

export const ends: Readonly<Record<string, Invariant>> = {
  'all comes to rest': settled,
  'each stage of a rollout has its event': stagesAreTold,
};
