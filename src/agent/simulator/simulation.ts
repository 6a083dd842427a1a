import { dealBehaviours, kindFor, offlineTimes, paceOf, type DealtBehaviour } from './deal';
import { startFleet, type DeviceCredentials, type Fleet, type FleetSummary } from './fleet';
import type { Profile } from './profile';

/** As `POST /api/v1/devices` takes it. */
export interface DeviceToCreate {
  name: string;
  fleet_id: string;
  target_state: { apps: object };
}

export interface SimulationOptions {
  apiUrl: string;
  profile: Profile;
  devices: number;
  seed: string;
  /** Names the fleet, so that a policy can be about it alone. */
  fleetId: string;
  pollIntervalMs: number;
  waitSeconds: number;
  /** Makes devices at the API, in the order given. */
  create: (devices: readonly DeviceToCreate[]) => Promise<DeviceCredentials[]>;
}

export interface Simulation {
  /** How many there are of each, those who are still to come included. */
  dealt: ReadonlyMap<DealtBehaviour, number>;
  /** What a device is like, by its uuid. */
  behaviourOf(uuid: string): DealtBehaviour | undefined;
  summary(): FleetSummary;
  /** The devices that were created. */
  uuids(): string[];
  stop(): Promise<void>;
}

/** The API takes 10,000 at once; smaller requests keep its memory small. */
const CREATE_CHUNK = 1000;
/** Sockets beside those of the polls that are held. */
const CONCURRENCY = 32;

/** Creates a fleet and plays it by its profile. Late joiners are created when their time has come. */
export async function startSimulation(options: SimulationOptions): Promise<Simulation> {
  const { profile, seed } = options;
  const dealt = dealBehaviours(profile, options.devices, seed);
  const known = new Map<string, { behaviour: DealtBehaviour; image: string }>();
  const numbers = dealt.map((_, number) => number);
  const late = numbers.filter((number) => dealt[number] === 'late_joiner');
  const imageOf = (number: number): string =>
    `${profile.image}:${profile.tags[number % profile.tags.length] ?? 'latest'}`;
  let joining: Promise<void> = Promise.resolve();
  let stopped = false;

  async function create(chosen: readonly number[], join: (made: readonly DeviceCredentials[]) => void): Promise<void> {
    for (let start = 0; start < chosen.length && !stopped; start += CREATE_CHUNK) {
      const chunk = chosen.slice(start, start + CREATE_CHUNK);
      const made = await options.create(chunk.map((number) => deviceOf(number, imageOf(number), options.fleetId)));
      made.forEach(({ uuid }, index) => {
        const number = chunk[index] ?? 0;
        known.set(uuid, { behaviour: dealt[number] ?? 'healthy', image: imageOf(number) });
      });
      join(made);
    }
  }

  const first: DeviceCredentials[] = [];
  await create(
    numbers.filter((number) => dealt[number] !== 'late_joiner'),
    (made) => first.push(...made),
  );
  const fleet: Fleet = startFleet({
    apiUrl: options.apiUrl,
    devices: first,
    seed,
    behaviourOf: (uuid, image) => {
      const device = known.get(uuid);
      return device === undefined ? 'healthy' : kindFor(profile, device.behaviour, device.image, image);
    },
    offlineOf: (uuid) =>
      known.get(uuid)?.behaviour === 'offline' ? offlineTimes(profile, `${seed}/${uuid}/offline`) : undefined,
    pollIntervalMs: options.pollIntervalMs,
    pace: paceOf(profile),
    ...(options.waitSeconds > 0
      ? { waitSeconds: options.waitSeconds, concurrency: options.devices + CONCURRENCY }
      : { concurrency: CONCURRENCY }),
  });
  const timer = setTimeout(
    () => {
      joining = create(late, (made) => {
        fleet.addDevices(made);
      }).catch((error: unknown) => {
        fleet.noteError(error);
      });
    },
    (profile.behaviours.late_joiner?.after_seconds ?? 0) * 1000,
  );
  return {
    dealt: countEach(dealt),
    behaviourOf: (uuid) => known.get(uuid)?.behaviour,
    summary: () => fleet.summary(),
    uuids: () => [...known.keys()],
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await joining;
      await fleet.stop();
    },
  };
}

function deviceOf(number: number, image: string, fleetId: string): DeviceToCreate {
  const services = [{ serviceId: 1, serviceName: 'app', imageName: image }];
  return {
    name: `${fleetId}-${String(number + 1).padStart(5, '0')}`,
    fleet_id: fleetId,
    target_state: { apps: { '1': { appName: 'simulated', services } } },
  };
}

function countEach(dealt: readonly DealtBehaviour[]): Map<DealtBehaviour, number> {
  const counts = new Map<DealtBehaviour, number>();
  for (const behaviour of dealt) counts.set(behaviour, (counts.get(behaviour) ?? 0) + 1);
  return counts;
}
