import { defaultPace, type BehaviourOf, type Pace } from './behaviour';
import { Containers, type ReportedService } from './containers';
import { SimulatedDevice, type OfflineTimes, type Traffic } from './device';
import { createFleetClient } from './fleet-client';
import type { HttpClient } from '../http-client';
import { createRandom } from '../random';
import { WakeQueue } from './wake-queue';

export interface FleetOptions {
  /** Where the API listens, without `/api/v1`. */
  apiUrl: string;
  /** As `POST /api/v1/devices` made them; more can be added later. */
  devices: readonly DeviceCredentials[];
  /** The same seed makes the same devices do the same things. */
  seed: string;
  behaviourOf: BehaviourOf;
  pollIntervalMs: number;
  /** How often a device reports without news. */
  reportIntervalMs?: number;
  pace?: Pace;
  /** Long polls of at most so many seconds, below the client's own limit; absent, plain polls. */
  waitSeconds?: number;
  offlineOf?: (deviceUuid: string) => OfflineTimes | undefined;
  /** Requests under way at once for the whole fleet. */
  concurrency?: number;
  /** What the devices speak through, and close in the end; absent, a client of their own. */
  client?: HttpClient;
  /** The devices' clock in milliseconds; it may jump. */
  now?: () => number;
}

export interface DeviceCredentials {
  uuid: string;
  apiKey: string;
}

export interface FleetSummary extends Traffic {
  devices: number;
  silent: number;
  /** Containers by image and state, as the devices themselves would report them. */
  containers: Record<string, Record<ReportedService['status'], number>>;
}

export interface Fleet {
  addDevices(devices: readonly DeviceCredentials[]): void;
  /** Counts and shows what went wrong beside the devices' own requests. */
  noteError(error: unknown): void;
  summary(): FleetSummary;
  /** Lets the requests under way end, or drops them after a moment; afterwards nothing of the fleet is left. */
  stop(): Promise<void>;
}

/** Two cores answer a few thousand small requests a second; more at once only wait in a queue further on. */
const DEFAULT_CONCURRENCY = 32;
const STOP_LIMIT_MS = 2000;

/**
 * Plays a whole fleet in this process: any number of devices, one timer, a bounded number of requests. It knows nothing
 * but the HTTP API, so what it proves holds for real devices too.
 */
export function startFleet(options: FleetOptions): Fleet {
  const concurrency = options.concurrency ?? DEFAULT_CONCURRENCY;
  const client = options.client ?? createFleetClient(options.apiUrl, concurrency);
  const now = options.now ?? (() => performance.now());
  const traffic: Traffic = { polls: 0, notModified: 0, reports: 0, errors: 0, lastError: null };
  const devices: SimulatedDevice[] = [];
  const sleeping = new WakeQueue<SimulatedDevice>();
  const underWay = new Set<Promise<void>>();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  function addDevices(added: readonly DeviceCredentials[]): void {
    for (const credentials of added) {
      const device = createDevice(credentials);
      devices.push(device);
      sleeping.push(device);
    }
    wakeDue();
  }

  function createDevice({ uuid, apiKey }: DeviceCredentials): SimulatedDevice {
    const random = createRandom(`${options.seed}/${uuid}/device`);
    const containers = new Containers({
      behaviourOf: (image) => options.behaviourOf(uuid, image),
      random,
      pace: options.pace ?? defaultPace,
    });
    const { pollIntervalMs, reportIntervalMs = 60_000, waitSeconds = 0 } = options;
    const offline = options.offlineOf?.(uuid);
    return new SimulatedDevice(
      { uuid, apiKey, client, containers, random, pollIntervalMs, reportIntervalMs, waitSeconds, offline, now },
      traffic,
      now(),
    );
  }

  function wakeDue(): void {
    clearTimeout(timer);
    if (stopped) return;
    while (underWay.size < concurrency) {
      const device = sleeping.popDue(now());
      if (device === undefined) break;
      const step = device.step(now()).then(() => {
        underWay.delete(step);
        sleeping.push(device);
        wakeDue();
      });
      underWay.add(step);
    }
    const nextAt = sleeping.nextAt();
    // With every place taken, the next answer wakes the queue.
    if (nextAt === undefined || nextAt === Number.POSITIVE_INFINITY || underWay.size >= concurrency) return;
    timer = setTimeout(wakeDue, Math.max(1, nextAt - now()));
  }

  addDevices(options.devices);
  return {
    addDevices,
    noteError(error) {
      traffic.errors += 1;
      traffic.lastError = error instanceof Error ? error.message : String(error);
    },
    summary: () => summarise(devices, traffic, now()),
    async stop() {
      stopped = true;
      clearTimeout(timer);
      // Held polls would only end with their time.
      if (options.waitSeconds !== undefined) client.close();
      const limit = setTimeout(() => {
        client.close();
      }, STOP_LIMIT_MS);
      await Promise.all(underWay);
      clearTimeout(limit);
      client.close();
    },
  };
}

function summarise(devices: readonly SimulatedDevice[], traffic: Traffic, now: number): FleetSummary {
  const containers: FleetSummary['containers'] = {};
  for (const device of devices) {
    for (const app of Object.values(device.containers.report())) {
      for (const { imageName, status } of app.services)
        (containers[imageName] ??= { running: 0, exited: 0, rejected: 0 })[status] += 1;
    }
  }
  return {
    ...traffic,
    devices: devices.length,
    silent: devices.filter((device) => device.containers.silentUntil > now).length,
    containers,
  };
}
