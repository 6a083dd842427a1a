import { startFleet, type DeviceCredentials, type Fleet } from '../src/agent/simulator/fleet';
import type { BehaviourOf } from '../src/agent/simulator/behaviour';

export interface FleetOrder {
  url: string;
  devices: DeviceCredentials[];
  /** Requests under way at once. A device that waits holds one, so then there must be more than devices. */
  connections: number;
  /** Absent, a device polls again as soon as it is answered. */
  pollIntervalMs?: number;
  reportIntervalMs?: number;
  /** Long polls of so many seconds. */
  waitSeconds?: number;
  /** So many of ten devices, in the order in which they fetch it, fail on an image whose name has this in it. */
  failing?: { images: string; ofTen: number };
}

/** When each device that was told of a failing image took it, in milliseconds since 1970. */
export interface Told {
  told: Record<string, number[]>;
}

/** What all fleets of this process have done. */
export interface FleetTraffic {
  polls: number;
  notModified: number;
  reports: number;
  errors: number;
  lastError: string | null;
  /** Devices by what they run: `redis:7.0 running`. */
  running: Record<string, number>;
}

const fleets: Fleet[] = [];
const told: Told['told'] = {};

/** Devices that take an update at once: what is waited for is the server. Each order adds a fleet. */
process.on('message', (order: FleetOrder | { ask: 'told' | 'traffic' }) => {
  if ('devices' in order) fleets.push(start(order));
  const answer = !('ask' in order) ? {} : order.ask === 'told' ? { told } : traffic();
  process.send?.(answer);
});
process.on('disconnect', () => {
  for (const fleet of fleets) void fleet.stop();
});

function start(order: FleetOrder): Fleet {
  return startFleet({
    apiUrl: order.url,
    devices: order.devices,
    seed: 'bench',
    behaviourOf: behaviours(order.failing),
    pollIntervalMs: order.pollIntervalMs ?? 1,
    reportIntervalMs: order.reportIntervalMs ?? 600_000,
    pace: { updateMs: [0, 0], slowUpdateMs: [0, 0], flapMs: 0 },
    concurrency: order.connections,
    ...(order.waitSeconds === undefined ? {} : { waitSeconds: order.waitSeconds }),
  });
}

/** By turns and not by chance: the first batch, whichever devices are in it, fails by just this share. */
function behaviours(failing: FleetOrder['failing']): BehaviourOf {
  if (failing === undefined) return () => 'healthy';
  return (_, image) => {
    if (!image.includes(failing.images)) return 'healthy';
    const times = (told[image] ??= []);
    times.push(Date.now());
    return times.length % 10 < failing.ofTen ? 'failing' : 'healthy';
  };
}

function traffic(): FleetTraffic {
  const all: FleetTraffic = { polls: 0, notModified: 0, reports: 0, errors: 0, lastError: null, running: {} };
  for (const fleet of fleets) {
    const { polls, notModified, reports, errors, lastError, containers } = fleet.summary();
    all.polls += polls;
    all.notModified += notModified;
    all.reports += reports;
    all.errors += errors;
    all.lastError = lastError ?? all.lastError;
    for (const [image, states] of Object.entries(containers))
      for (const [state, count] of Object.entries(states))
        if (count > 0) all.running[`${image} ${state}`] = (all.running[`${image} ${state}`] ?? 0) + count;
  }
  return all;
}
