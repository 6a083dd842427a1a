import type { SelectedDevices } from './rules';

/** True when every device that `later` selects is certainly one that `earlier` selects too. */
export function covers(earlier: SelectedDevices, later: SelectedDevices): boolean {
  const tags = Object.entries(earlier.deviceTags ?? {});
  return (
    (earlier.fleetId === undefined || earlier.fleetId === later.fleetId) &&
    tags.every(([key, value]) => later.deviceTags?.[key] === value) &&
    (earlier.deviceUuids === undefined || isWithin(later.deviceUuids, earlier.deviceUuids))
  );
}

function isWithin(some: readonly string[] | undefined, all: readonly string[]): boolean {
  if (some === undefined) return false;
  const known = new Set(all);
  return some.every((uuid) => known.has(uuid));
}
