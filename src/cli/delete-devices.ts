import type { ApiClient } from './api-client';
import { ApiError, CliError } from './cli-error';
import type { Terminal } from './terminal';

export interface LeavingFleet {
  uuids: readonly string[];
  fleet: string;
}

const AT_ONCE = 16;
const NAMED = 5;
/** A server's failure has a text of its own each time. */
const REASONS_NAMED = 5;

/** Deletes what a simulation created. @throws CliError saying what is left, why, and how to get rid of it later. */
export async function deleteDevices(api: ApiClient, { uuids, fleet }: LeavingFleet, terminal: Terminal): Promise<void> {
  terminal.say(`Deleting ${uuids.length} devices ...\n`);
  const left = new Set(uuids);
  const refusals: { uuid: string; error: ApiError }[] = [];
  let away: ApiError | undefined;
  const rest = uuids.values();
  const lane = async (): Promise<void> => {
    for (const uuid of rest) {
      const error = await deleteOne(api, uuid);
      if (error === null) left.delete(uuid);
      else if (error.status === null) away ??= error;
      else refusals.push({ uuid, error });
      // What is away now keeps each further question waiting for nothing.
      if (away !== undefined) return;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  if (left.size === 0) return;
  throw new CliError(
    [
      ...(away === undefined ? [] : [away.message]),
      `${uuids.length - left.size} of ${uuids.length} devices are deleted, ${left.size} are not:`,
      ...(away === undefined ? reasonLines(refusals) : [`  ${some([...left])}`]),
      `They stay, silent. Later: GET /api/v1/devices?fleet_id=${encodeURIComponent(fleet)} lists the devices of the fleet, DELETE /api/v1/devices/<uuid> deletes one.`,
    ].join('\n'),
  );
}

/** Null where it is gone, whoever deleted it. Asked twice where the first got no answer: one broken connection is no API that is away. */
async function deleteOne(api: ApiClient, uuid: string, tries = 2): Promise<ApiError | null> {
  try {
    await api.delete(`/devices/${uuid}`);
    return null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === null && tries > 1) return deleteOne(api, uuid, tries - 1);
    return error.status === 404 ? null : error;
  }
}

function reasonLines(refusals: readonly { uuid: string; error: ApiError }[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { uuid, error } of refusals) {
    const same = byReason.get(error.message);
    if (same === undefined) byReason.set(error.message, [uuid]);
    else same.push(uuid);
  }
  const groups = [...byReason];
  return [
    ...groups
      .slice(0, REASONS_NAMED)
      .flatMap(([reason, uuids]) => [`  ${uuids.length}: ${reason.replaceAll('\n', ' ')}`, `     ${some(uuids)}`]),
    ...(groups.length > REASONS_NAMED ? [`  and ${groups.length - REASONS_NAMED} more reasons`] : []),
    ...(refusals.some(({ error }) => error.status === 409)
      ? [
          'A rollout works on all devices of its plan, told or not, until it ends: `fleetwave rollout <id>` shows it, `fleetwave cancel <id>` ends it.',
        ]
      : []),
  ];
}

function some(uuids: readonly string[]): string {
  const named = uuids.toSorted().slice(0, NAMED).join(', ');
  return uuids.length > NAMED ? `${named} and ${uuids.length - NAMED} more` : named;
}
