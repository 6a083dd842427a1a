import { z } from 'zod';
import { createRandom } from '../../src/agent/random';
import { dealBehaviours, kindFor, offlineTimes, paceOf } from '../../src/agent/simulator/deal';
import { startFleet, type DeviceCredentials } from '../../src/agent/simulator/fleet';
import { createFleetClient } from '../../src/agent/simulator/fleet-client';
import { Profile } from '../../src/agent/simulator/profile';
import type { Place } from './place';
import type { RunPlan } from './plan';
import { createWitness, type Witness } from './witness';

export interface ChaosFleet {
  devices: readonly string[];
  witness: Witness;
  /** The clock of all devices goes forward. */
  jump(ms: number): void;
  stop(): Promise<void>;
}

const CREATED = z.object({ devices: z.array(z.object({ uuid: z.string(), api_key: z.string() })) });
const AT_ONCE = 5000;
const CONCURRENCY = 64;
/** A tenth of the devices; ten years at most, either way. */
const WRONG_CLOCKS = 0.1;
const TEN_YEARS_MS = 10 * 365 * 86_400_000;
/** Of a bad release, as many fail. */
const BAD_SHARE = 0.6;

/** Makes the devices of a run and plays them: those that join late are there, and switched on later. */
export async function startChaosFleet(place: Place, plan: RunPlan, image: string): Promise<ChaosFleet> {
  const seed = `chaos/${String(plan.seed)}`;
  const firstImage = `${image}:first`;
  const profile = Profile.parse({ image, tags: ['first'], update_seconds: [0.2, 2], behaviours: plan.behaviours });
  const dealt = dealBehaviours(profile, plan.devices, seed);
  const credentials = await createDevices(place, image, plan.devices);
  const numbers = new Map(credentials.map(({ uuid }, number) => [uuid, number]));
  const dealtTo = (uuid: string) => dealt[numbers.get(uuid) ?? 0] ?? 'healthy';
  const drawnFor = (uuid: string, what: string) => createRandom(`${seed}/${String(numbers.get(uuid))}/${what}`);

  const witness = createWitness(
    createFleetClient(place.frontUrl, plan.longPoll ? plan.devices + CONCURRENCY : CONCURRENCY),
    (uuid) => {
      const random = drawnFor(uuid, 'clock');
      return random() < WRONG_CLOCKS ? (random() * 2 - 1) * TEN_YEARS_MS : 0;
    },
  );
  let ahead = 0;
  const isLate = ({ uuid }: DeviceCredentials) => dealtTo(uuid) === 'late_joiner';
  const fleet = startFleet({
    apiUrl: place.frontUrl,
    client: witness.client,
    devices: credentials.filter((device) => !isLate(device)),
    seed,
    behaviourOf: (uuid, reference) =>
      reference.startsWith(`${image}:bad-`) && drawnFor(uuid, reference)() < BAD_SHARE
        ? 'failing'
        : kindFor(profile, dealtTo(uuid), firstImage, reference),
    offlineOf: (uuid) =>
      dealtTo(uuid) === 'offline' ? offlineTimes(profile, `${seed}/${String(numbers.get(uuid))}`) : undefined,
    pace: paceOf(profile),
    pollIntervalMs: plan.longPoll ? 2000 : 2000 + plan.devices,
    reportIntervalMs: 20_000,
    now: () => performance.now() + ahead,
    ...(plan.longPoll ? { waitSeconds: 20, concurrency: plan.devices + CONCURRENCY } : { concurrency: CONCURRENCY }),
  });
  const joining = setTimeout(
    () => {
      fleet.addDevices(credentials.filter(isLate));
    },
    (profile.behaviours.late_joiner?.after_seconds ?? 0) * 1000,
  );
  return {
    devices: credentials.map(({ uuid }) => uuid),
    witness,
    jump(ms) {
      ahead += ms;
    },
    async stop() {
      clearTimeout(joining);
      await fleet.stop();
    },
  };
}

async function createDevices(place: Place, image: string, count: number): Promise<DeviceCredentials[]> {
  const services = [{ serviceId: 1, serviceName: 'app', imageName: `${image}:first` }];
  const device = { fleet_id: image, target_state: { apps: { '1': { appName: 'chaos', services } } } };
  const made: DeviceCredentials[] = [];
  while (made.length < count) {
    const devices = Array.from({ length: Math.min(AT_ONCE, count - made.length) }, () => device);
    const answer = await place.api.post('/devices', { devices }, CREATED);
    made.push(...answer.devices.map(({ uuid, api_key: apiKey }) => ({ uuid, apiKey })));
  }
  return made;
}
