import { startChild, type Child } from './child';
import type { FleetOrder } from './fleet-main';
import type { Place } from './place';
import { tellWhile } from './progress';
import { createPolicy, endLimitMs } from './pushes';
import { seedCredentials } from './seed-credentials';
import { waitFor } from '../src/dev/wait-for';

/** As the comparison was measured: three groups of 10, 40 and 50 %. */
export const BATCHES = [10, 50, 100];
const CONNECTIONS = 64;
/** Below the 30 seconds after which agents in the field give a request up. */
const WAIT_SECONDS = 25;
/** Of the devices' first polls: so many connections are not opened all at once. */
const ARRIVALS_A_SECOND = 500;
/** From here on a person wants to see that something happens. */
const LARGE = 10_000;

export interface RolledFleet {
  image: string;
  devices: number;
  /** Of a rollout or of a rollback. */
  limitMs: number;
  child: Child;
}

export interface FleetKind {
  /** Names the image and the fleet. */
  image: string;
  devices: number;
  /** Each device holds a long poll on a connection of its own, instead of polling as fast as it is answered. */
  waiting?: boolean;
  failing?: FleetOrder['failing'];
}

/** A fleet in a process of its own, with a policy in a hurry; `work` begins when every device has reported. */
export async function withRolledFleet<T>(
  place: Place,
  { image, devices, waiting = false, failing }: FleetKind,
  work: (fleet: RolledFleet) => Promise<T>,
): Promise<T> {
  const limitMs = endLimitMs(devices);
  await createPolicy(place, image, BATCHES, { deadlineSeconds: limitMs / 1000 });
  const credentials = await seedCredentials(place, { id: image, image, tag: '7.0', devices });
  const child = startChild('fleet-main', place.signal);
  try {
    const order: FleetOrder = {
      url: place.stack.apiUrl,
      devices: credentials,
      connections: CONNECTIONS,
      ...(failing === undefined ? {} : { failing }),
      ...(waiting
        ? {
            connections: devices + CONNECTIONS,
            waitSeconds: WAIT_SECONDS,
            pollIntervalMs: (devices / ARRIVALS_A_SECOND) * 1000,
          }
        : {}),
    };
    await child.ask(order);
    await tellWhile(
      devices >= LARGE ? place : null,
      `reports of ${image}`,
      () => reported(place, image),
      async () => {
        await waitFor(
          'a report of every device',
          async () => ((await reported(place, image)) >= devices ? true : undefined),
          { limitMs, signal: place.signal, intervalMs: 500 },
        );
      },
    );
    if (waiting) await everyPollHeld(place, devices, limitMs);
    return await work({ image, devices, limitMs, child });
  } finally {
    await child.stop();
  }
}

async function reported(place: Place, fleetId: string): Promise<number> {
  const { rows } = await place.pool.query<{ reported: number }>(
    'select count(*)::int as reported from devices d join device_current_state c on c.device_uuid = d.uuid where d.fleet_id = $1',
    [fleetId],
  );
  return rows[0]?.reported ?? 0;
}

/** Nearly all: at any moment the polls of a few have just ended. */
async function everyPollHeld(place: Place, devices: number, limitMs: number): Promise<void> {
  await waitFor(
    'all devices waiting',
    async () => {
      const metrics = await (await fetch(`${place.stack.apiUrl}/metrics`)).text();
      const held = Number(/^fleetwave_waiting_polls (\d+)/m.exec(metrics)?.[1] ?? 0);
      return held >= devices * 0.98 ? true : undefined;
    },
    { limitMs, signal: place.signal, intervalMs: 500 },
  );
}
