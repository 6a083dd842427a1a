import type { DeviceCredentials } from '../../src/agent/simulator/fleet';
import { startChild, type Child } from '../child';
import type { FleetOrder } from '../fleet-main';
import type { Place } from '../place';
import { BAD } from './push-kinds';

/** One in ten waits with long polls; the others poll. */
const WAITING = 10;
const WAIT_SECONDS = 25;
const REPORT_MS = 60_000;
const CONNECTIONS = 32;
/** Far above what a policy allows. */
const FAILING_OF_TEN = 5;

/** The devices of a soak, in a process of their own. */
export async function startDevices(
  place: Place,
  devices: readonly DeviceCredentials[],
  pollSeconds: number,
): Promise<Child> {
  const child = startChild('fleet-main', place.signal);
  const waiting = devices.filter((_, index) => index % WAITING === 0);
  const common = {
    url: place.stack.apiUrl,
    reportIntervalMs: REPORT_MS,
    failing: { images: BAD, ofTen: FAILING_OF_TEN },
  };
  const orders: FleetOrder[] = [
    { ...common, devices: waiting, waitSeconds: WAIT_SECONDS, connections: waiting.length + CONNECTIONS },
    {
      ...common,
      devices: devices.filter((_, index) => index % WAITING !== 0),
      pollIntervalMs: pollSeconds * 1000,
      connections: CONNECTIONS,
    },
  ];
  for (const order of orders) await child.ask(order);
  return child;
}
