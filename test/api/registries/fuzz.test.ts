import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { registryKinds } from '../../../src/api/registries';
import { ADMIN_TOKEN } from '../api-rig';
import { FUZZ_NOW, fuzzSeeds, googleKeys, type Seed, type Sent } from '../../support/fuzz-seeds';
import { mutated, mutation, type Mutation } from '../../support/mutations';
import { addPolicy } from '../../support/intake';
import { recordingLogger } from '../../support/outage';
import { outsidePages } from '../../support/outside-pages';
import {
  forgetDeliveries,
  PREVIOUS,
  SECRET,
  startRegistryRig,
  type Headers,
  type RegistryRig,
} from '../../support/registry-deliveries';
import { SNS_CERTIFICATE, snsCertificate } from '../../support/sns-messages';

/** Of each shape that a kind has. */
const RUNS = Number(process.env['FLEETWAVE_FUZZ_RUNS'] ?? 40);
const SEED = Number(process.env['FLEETWAVE_FUZZ_SEED'] ?? 20_260_131);
/** No measure of speed: an answer that has not come by now does not come. */
const HUNG_AFTER_MS = 60_000;
const TEST_LIMIT_MS = 180_000 + RUNS * 1000;

const world = outsidePages(FUZZ_NOW);
const { log, lines } = recordingLogger();
let google: Headers = {};
let rig: RegistryRig;
const seeds = fuzzSeeds(() => google);
const secrets = [SECRET, PREVIOUS, ADMIN_TOKEN];

beforeAll(async () => {
  rig = await startRegistryRig({ outside: world.outside, log });
  const made = await googleKeys();
  google = made.google;
  secrets.push(made.google['authorization']?.split(' ')[1] ?? '');
  world.pages['https://www.googleapis.com/oauth2/v3/certs'] = made.jwks;
  world.pages[SNS_CERTIFICATE] = snsCertificate;
  // So that what is understood goes all the way: a rollout with whatever was told of it.
  await addPolicy(rig.database.pool, '**');
  process.stderr.write(`fuzz: ${String(RUNS)} runs a shape, seed ${String(SEED)}\n`);
});
beforeEach(async () => {
  await forgetDeliveries(rig);
  lines.length = 0;
});
afterAll(() => rig.close());

test('every kind is tried', () => {
  expect([...new Set(seeds.map(({ kind }) => kind))].sort()).toEqual(registryKinds.map(({ name }) => name).sort());
});

async function send(source: string, { raw, headers, query = '' }: Sent, method: Mutation['method'] = 'POST') {
  const hasBody = method === 'POST' || method === 'PUT';
  const response = await fetch(`${rig.url}/api/v1/webhooks/${source}${query}`, {
    ...{ method, headers, redirect: 'manual', signal: AbortSignal.timeout(HUNG_AFTER_MS) },
    ...(hasBody ? { body: new Uint8Array(raw) } : {}),
  });
  return { status: response.status, text: await response.text() };
}

/** What a sender got that it should not have: null when all is well. */
async function wrongWith(source: string, seed: Seed, made: Mutation): Promise<string | null> {
  const asked = world.asked.length;
  const { status, text } = await send(source, mutated(seed, made), made.method);
  counts[status] = (counts[status] ?? 0) + 1;
  // A certificate or key that a signed message names and nobody has: to be sent again, which 503 says.
  const keysAway = status === 503 && world.asked.length > asked && text.includes('unavailable');
  if (status >= 500 && !keysAway) return `${String(status)} ${text} ${JSON.stringify(lines.slice(-2))}`;
  const shown = secrets.find(
    (secret) => text.includes(secret) || lines.some((line) => JSON.stringify(line).includes(secret)),
  );
  if (shown !== undefined) return `a secret is shown: ${text} ${JSON.stringify(lines.slice(-2))}`;
  lines.length = 0;
  // What comes next may have the same id, and would be answered as this was.
  await rig.database.pool.query('delete from image_rollouts');
  await rig.database.pool.query('delete from webhook_deliveries');
  if (Reflect.ownKeys(Object.prototype).length !== prototypeKeys) return 'the prototype of all objects was changed';
  return null;
}
const prototypeKeys = Reflect.ownKeys(Object.prototype).length;
const understood = { status: 202, text: expect.stringContaining('"outcome":"started"') };
let counts: Record<number, number> = {};

describe.each(seeds.map((seed, index) => ({ seed, kind: seed.kind, shape: index + 1 })))(
  '$kind, shape $shape',
  ({ seed, kind, shape }) => {
    const name = kind === 'docker-registry' ? kind : `fuzz-${String(shape)}`;
    test(
      'is answered below 500 whatever is changed, without a secret in answer, log or table',
      async () => {
        await rig.source(name, { kind, secrets: [SECRET, PREVIOUS], ...seed.source });
        const valid = () => send(name, seed.send(Buffer.from(JSON.stringify(seed.body))));
        // Before and after: what is changed is something that was understood, and the source has not suffered.
        expect(await valid()).toMatchObject(understood);
        await forgetDeliveries(rig);
        counts = {};
        await fc.assert(
          fc.asyncProperty(mutation, async (made) => {
            const wrong = await wrongWith(name, seed, made);
            if (wrong !== null) throw new Error(wrong);
          }),
          {
            numRuns: RUNS,
            seed: SEED + shape,
            interruptAfterTimeLimit: TEST_LIMIT_MS - 70_000,
            markInterruptAsFailure: true,
          },
        );
        const { rows } = await rig.database.pool.query<{ text: string }>(
          'select concat(headers::text, query::text) as text from webhook_requests',
        );
        for (const secret of secrets) expect(rows.filter(({ text }) => text.includes(secret))).toEqual([]);
        expect(await valid()).toMatchObject(understood);
        process.stderr.write(`fuzz: ${kind}, shape ${String(shape)}: ${JSON.stringify(counts)}\n`);
      },
      TEST_LIMIT_MS,
    );
  },
);
