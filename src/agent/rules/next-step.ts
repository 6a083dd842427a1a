import { collide, type SeenContainer } from './seen-container';
import type { ServiceRecord } from './service-record';

export interface ServiceView {
  wanted: { spec: string; state: 'running' | 'stopped' | 'paused' };
  /** Of the target state that `wanted` is from. */
  version: number | null;
  /** All containers of the service, whatever they were made from. */
  containers: readonly SeenContainer[];
  record: ServiceRecord;
  /** The wanted image was pulled since it is wanted. */
  imageReady: boolean;
  /** Somebody holds the maintenance lock: nothing new is begun. */
  locked: boolean;
  now: number;
}

export type Step =
  /** Nothing new is begun while the lock is held; what runs goes on. */
  | { kind: 'locked' }
  | { kind: 'pull' }
  | { kind: 'create' }
  /** Starts it on trial; `stop` cannot run beside it and is stopped first. */
  | { kind: 'start'; container: SeenContainer; stop: SeenContainer[] }
  /** What is to run meanwhile, or again, is started as it was. */
  | { kind: 'lift'; container: SeenContainer }
  /** On trial: judge it. */
  | { kind: 'judge'; container: SeenContainer; fallback: SeenContainer | null }
  /** Removes what is not wanted any more. */
  | { kind: 'remove'; containers: SeenContainer[] }
  /** The wanted one is proven; `container` is looked after. */
  | { kind: 'keep'; container: SeenContainer }
  /** The wanted one failed and `fallback`, if there is one, runs in its place. */
  | { kind: 'rest'; fallback: SeenContainer | null }
  | { kind: 'stopped' };

/** Kubernetes' kubelet waits 10 s after the first crash and 5 min at the most, as the field's late agent does. */
const FIRST_BACK_OFF_MS = 10_000;
const LONGEST_BACK_OFF_MS = 300_000;

export function crashBackOffMs(tries: number): number {
  return Math.min(FIRST_BACK_OFF_MS * 2 ** Math.max(tries - 1, 0), LONGEST_BACK_OFF_MS);
}

/**
 * The one next step from what exists to what is wanted. It follows from the containers and the record alone, so an agent that
 * was killed in the middle goes on, or puts back, from wherever it was.
 */
export function nextStep(view: ServiceView): Step {
  const { wanted, containers, record, version } = view;
  if (wanted.state !== 'running')
    return view.locked && containers.length > 0 ? { kind: 'locked' } : stepToStopped(containers);
  const current = containers.find(({ spec }) => spec === wanted.spec) ?? null;
  const others = containers.filter((container) => container !== current);
  const fallback = fallbackOf(others, record);
  const { failed } = record;
  // What proved itself before is what would be gone back to: there is nothing better to put in its place.
  if (failed?.spec === wanted.spec && failed.version === version && record.good !== wanted.spec) {
    if (fallback !== null) return stepBack(current, fallback, others);
    if (current?.state !== 'running' && view.now < failed.atMs + crashBackOffMs(failed.tries))
      return { kind: 'rest', fallback: null };
  }
  if (current === null) {
    // A machine that came up again while its registry, or its maintainer, is not ready yet.
    if ((view.locked || !view.imageReady) && fallback?.state === 'exited' && fallback.restart !== 'no')
      return { kind: 'lift', container: fallback };
    if (view.locked) return { kind: 'locked' };
    return view.imageReady ? { kind: 'create' } : { kind: 'pull' };
  }
  if (record.good === wanted.spec) return stepWithProven(current, others);
  return stepOnTrial(view, current, fallback);
}

/** What to go back to: what proved itself last, else what runs, else what ever ran. */
function fallbackOf(others: readonly SeenContainer[], record: ServiceRecord): SeenContainer | null {
  const newestFirst = [...others].sort((a, b) => b.createdAtMs - a.createdAtMs);
  return (
    newestFirst.find(({ spec }) => spec === record.good) ??
    newestFirst.find(({ state }) => state === 'running') ??
    newestFirst.find(({ state }) => state === 'exited') ??
    null
  );
}

function stepBack(current: SeenContainer | null, fallback: SeenContainer, others: readonly SeenContainer[]): Step {
  const useless = others.filter((container) => container !== fallback);
  const inTheWay = [...(current === null ? [] : [current]), ...useless];
  if (inTheWay.length > 0) return { kind: 'remove', containers: inTheWay };
  if (fallback.state !== 'running') return { kind: 'lift', container: fallback };
  return { kind: 'rest', fallback };
}

function stepWithProven(current: SeenContainer, others: readonly SeenContainer[]): Step {
  if (current.state === 'running')
    return others.length > 0 ? { kind: 'remove', containers: [...others] } : { kind: 'keep', container: current };
  // It gave way to another release, or ended by itself.
  if (others.length === 0 && current.state === 'exited') return { kind: 'keep', container: current };
  return startOf(current, others);
}

function stepOnTrial(view: ServiceView, current: SeenContainer, fallback: SeenContainer | null): Step {
  const { record, containers } = view;
  const begun = record.trial?.spec === current.spec;
  if (current.state === 'running' || (current.state === 'exited' && begun))
    return { kind: 'judge', container: current, fallback };
  if (view.locked && !begun) return { kind: 'locked' };
  return startOf(current, containers);
}

function startOf(container: SeenContainer, others: readonly SeenContainer[]): Step {
  const stop = others.filter((other) => other.state === 'running' && collide(container, other));
  return { kind: 'start', container, stop };
}

function stepToStopped(containers: readonly SeenContainer[]): Step {
  return containers.length > 0 ? { kind: 'remove', containers: [...containers] } : { kind: 'stopped' };
}
