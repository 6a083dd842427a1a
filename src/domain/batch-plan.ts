import type { BatchStep } from './rules';

/** What of a device decides its batch, besides its place in the order. */
export interface PlannableDevice {
  tags: Readonly<Record<string, string>>;
  fleetId: string | null;
}

/** A percentage counts in ten-thousandths: whole numbers, so that SQL and TypeScript round the same way. */
const PARTS_OF_A_PERCENT = 10_000;

/**
 * Where each batch ends among `total` devices, for percent and count steps: 10, 50, 100 % of ten devices is [1, 5, 10].
 * A percent is cumulative and rounded up, so the first batch has a device in any fleet; a count is so many more. The last
 * step takes the rest. Steps that reach no further than the one before are dropped, so no batch is empty.
 */
export function cumulativeEnds(steps: readonly BatchStep[], total: number): number[] {
  const ends: number[] = [];
  let reached = 0;
  for (const [index, step] of steps.entries()) {
    const end = index === steps.length - 1 ? total : Math.min(goalOf(step, reached, total), total);
    if (end <= reached) continue;
    reached = end;
    ends.push(end);
  }
  return ends;
}

/**
 * The batch number of each device, given in the order they are to be updated: dense from 1, no batch empty. A selector step
 * takes its devices wherever they stand; percent and count steps take the foremost that are left, a percent being a share of
 * all planned devices, those already taken included. After a selector as last step the rest is a batch of its own: a batch
 * called a fleet's must not sweep up strangers. For a whole fleet use `fleetwave.assign_batches` in the database, its twin.
 */
export function assignBatches(steps: readonly BatchStep[], devices: readonly PlannableDevice[]): number[] {
  const batches = new Array<number>(devices.length).fill(0);
  let batch = 0;
  let taken = 0;
  const allSteps: BatchStep[] = [...steps, { percent: 100 }];
  for (const [index, step] of allSteps.entries()) {
    const isLast = index >= steps.length - 1;
    const room = isSelector(step)
      ? devices.length
      : (isLast ? devices.length : goalOf(step, taken, devices.length)) - taken;
    const before = taken;
    for (const [place, device] of devices.entries()) {
      if (taken - before >= room) break;
      if (batches[place] !== 0 || (isSelector(step) && !selects(step, device))) continue;
      batches[place] = batch + 1;
      taken += 1;
    }
    if (taken > before) batch += 1;
  }
  return batches;
}

/** The steps as a person would say them: "10 %, then 50 %, then the rest". */
export function describeSteps(steps: readonly BatchStep[]): string {
  const parts = steps.map((step, index) => describeStep(step, index === 0, index === steps.length - 1));
  const last = steps.at(-1);
  if (last === undefined || isSelector(last)) parts.push(last === undefined ? 'all devices at once' : 'the rest');
  return parts.join(', then ');
}

function describeStep(step: BatchStep, isFirst: boolean, isLast: boolean): string {
  const approval = step.approval === true ? ' after approval' : '';
  if ('tag' in step) return `devices tagged ${step.tag}${approval}`;
  if ('fleetId' in step) return `fleet ${step.fleetId}${approval}`;
  if (isLast) return `${isFirst ? 'all devices at once' : 'the rest'}${approval}`;
  if ('percent' in step) return `${String(step.percent)} %${approval}`;
  const devices = step.count === 1 ? 'device' : 'devices';
  return `${String(step.count)} ${isFirst ? devices : `more ${devices}`}${approval}`;
}

function isSelector(step: BatchStep): step is Extract<BatchStep, { tag: string } | { fleetId: string }> {
  return 'tag' in step || 'fleetId' in step;
}

function goalOf(step: BatchStep, taken: number, total: number): number {
  if ('percent' in step)
    return Math.ceil((total * Math.round(step.percent * PARTS_OF_A_PERCENT)) / (100 * PARTS_OF_A_PERCENT));
  return 'count' in step ? taken + step.count : taken;
}

/** `ring:canary` is the tag ring with the value canary; `canary` alone is that tag with any value. */
function selects(step: { tag: string } | { fleetId: string }, device: PlannableDevice): boolean {
  if ('fleetId' in step) return device.fleetId === step.fleetId;
  const colon = step.tag.indexOf(':');
  if (colon < 0) return Object.hasOwn(device.tags, step.tag);
  const key = step.tag.slice(0, colon);
  return Object.hasOwn(device.tags, key) && device.tags[key] === step.tag.slice(colon + 1);
}
