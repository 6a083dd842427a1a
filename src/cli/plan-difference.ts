import { z } from 'zod';

const Devices = z.looseObject({ count: z.number(), device_uuids: z.array(z.string()) });
const Moved = z.looseObject({
  count: z.number(),
  devices: z.array(z.looseObject({ device_uuid: z.string(), from_batch: z.number(), to_batch: z.number() })),
});

/** How the plan there is now differs from the one that was previewed; where that is not kept, sizes alone are known. */
export const PlanDifference = z.looseObject({
  batches: z.array(
    z.looseObject({ plan: z.number().optional(), number: z.number(), previewed: z.number(), now: z.number() }),
  ),
  devices: z.looseObject({
    added: Devices.optional(),
    removed: Devices.optional(),
    moved: Moved.optional(),
    changed_from: Devices.optional(),
  }),
  rules_changed: z.boolean().optional(),
});
export type PlanDifference = z.infer<typeof PlanDifference>;

/** A terminal holds a few; the API's answer names up to 500 of each. */
const MOST_SHOWN = 10;

/** The difference as lines, and the hash to give once they are agreed to. */
export function differenceLines({ batches, devices, rules_changed }: PlanDifference, planHash?: string): string[] {
  const { added, removed, moved, changed_from: changed } = devices;
  const named = (what: string, some: typeof added): string[] =>
    some === undefined ? [] : listed(what, some.count, some.device_uuids);
  return [
    ...batches.map(
      ({ plan, number, previewed, now }) =>
        `  ${plan === undefined ? '' : `plan ${plan}, `}batch ${number}: ${now} devices, not ${previewed}`,
    ),
    ...named('added', added),
    ...named('removed', removed),
    ...listed(
      'moved',
      moved?.count ?? 0,
      (moved?.devices ?? []).map((one) => `${one.device_uuid} from batch ${one.from_batch} to ${one.to_batch}`),
    ),
    ...named('changed from another image', changed),
    ...(rules_changed === true ? ['  the rules are others'] : []),
    ...(planHash === undefined ? [] : [`  plan_hash now: ${planHash}`]),
  ];
}

function listed(what: string, count: number, all: readonly string[]): string[] {
  if (count === 0) return [];
  const shown = all.slice(0, MOST_SHOWN);
  const more = count > shown.length ? [`    and ${count - shown.length} more`] : [];
  return [`  ${what}: ${count}`, ...shown.map((one) => `    ${one}`), ...more];
}
