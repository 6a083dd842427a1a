import type { Invariant } from './invariants';
import type { Known } from './known';
import type { MoveFact, Snapshot, WriteFact } from './snapshot';

const byDevice = <Fact extends { device: string }>(facts: readonly Fact[], device: string): Fact[] =>
  facts.filter((fact) => fact.device === device);

const TELLING = new Set(['device.update_scheduled', 'device.retry_scheduled', 'device.rollback_scheduled']);

/** Every version is the first, an operator's, or in the events; and there is no other. */
const versionsAreRecorded: Invariant = ({ writes, events }, { originals, edits }) =>
  [...originals.keys()].flatMap((device) => {
    const written = byDevice(writes, device).map(({ version }) => version);
    const told = events
      .filter((event) => event.device === device && TELLING.has(event.type))
      .map(({ data }) => data.version ?? 0);
    const recorded = new Set([1, ...(edits.get(device) ?? []), ...told]);
    const problems: string[] = [];
    if (written.some((version, index) => version !== index + 1))
      problems.push(`${device} had the versions ${written.join(', ')}`);
    if (recorded.size !== written.length || written.some((version) => !recorded.has(version)))
      problems.push(`${device} had the versions ${written.join(', ')}, recorded are ${[...recorded].join(', ')}`);
    return problems;
  });

const referencesAreKnown: Invariant = ({ writes }, { originals, edits, pushed }) =>
  writes
    .filter(
      ({ device, version, reference }) =>
        reference !== originals.get(device) &&
        !edits.get(device)?.has(version) &&
        !pushed.has(reference ?? '') &&
        !writes.some(
          (before) => before.device === device && before.version < version && before.reference === reference,
        ),
    )
    .map(({ device, version, reference }) => `${device} was given ${String(reference)} in version ${String(version)}`);

/** What a device would have to go back to: the last reference that it held and proved, or that a person gave it. */
function lastHealthy(device: string, beforeTick: number, snapshot: Snapshot, known: Known): string | null | undefined {
  type Fact = ({ is: 'write' } & WriteFact) | ({ is: 'move' } & MoveFact);
  const facts: Fact[] = [
    ...byDevice(snapshot.writes, device).map((fact) => ({ is: 'write' as const, ...fact })),
    ...byDevice(snapshot.moves, device).map((fact) => ({ is: 'move' as const, ...fact })),
  ].filter(({ tick }) => tick < beforeTick);
  let healthy: string | null | undefined = known.originals.get(device);
  for (const fact of facts.sort((a, b) => a.tick - b.tick)) {
    if (fact.is === 'write') {
      if (known.edits.get(device)?.has(fact.version)) healthy = fact.reference;
    } else if (fact.to === 'completed') healthy = fact.changes[0]?.to;
    else if (fact.from === 'completed' || fact.to === 'rolled_back') healthy = fact.changes[0]?.from;
  }
  return healthy;
}

const goesBackToHealthy: Invariant = (snapshot, known) =>
  snapshot.moves
    .filter(({ from, to }) => from === 'pending' && to === 'scheduled')
    .flatMap(({ device, rolloutId, tick, changes }) => {
      const healthy = lastHealthy(device, tick, snapshot, known);
      return changes[0]?.from === healthy
        ? []
        : [
            `${device} in ${rolloutId} would go back to ${String(changes[0]?.from)}, its last healthy image is ${String(healthy)}`,
          ];
    });

const PUT_BACK = new Set(['rolling_back', 'rolled_back', 'rollback_failed']);

const putBackHoldsIt: Invariant = ({ parts, moves, writes }) =>
  parts
    .filter(({ status }) => PUT_BACK.has(status))
    .flatMap(({ device, rolloutId, changes }) => {
      const back = moves
        .filter((move) => move.device === device && move.rolloutId === rolloutId && move.to === 'rolling_back')
        .at(-1);
      const last = byDevice(writes, device).at(-1);
      if (back === undefined || last?.version !== back.version || last.reference === changes[0]?.from) return [];
      return [
        `${device} was put back by ${rolloutId} and holds ${String(last.reference)} instead of ${String(changes[0]?.from)}`,
      ];
    });

export const targets: Readonly<Record<string, Invariant>> = {
  'versions grow by recorded writes': versionsAreRecorded,
  'targets hold what somebody asked for': referencesAreKnown,
  'a device goes back to what it last proved': goesBackToHealthy,
  'who was put back holds the old image': putBackHoldsIt,
};
