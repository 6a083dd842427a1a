import fc from 'fast-check';
import type { Seed, Sent } from './fuzz-seeds';
import { WRONG, type Headers } from './registry-deliveries';

/** One change to a body's JSON; `at` picks the place among all there are. */
interface Change {
  at: number;
  how: 'replace' | 'remove' | 'add' | 'repeat' | 'wrap' | 'text';
  key: string;
  value: unknown;
}

export interface Mutation {
  changes: Change[];
  /** Where not null, the bytes are changed after that. */
  bytes: { at: number; how: 'cut' | 'flip' | 'insert' | 'drop'; with: Uint8Array }[];
  headers: { name: string; how: 'remove' | 'set' | 'spoil'; value: string }[];
  method: 'POST' | 'PUT' | 'GET' | 'OPTIONS' | 'HEAD';
  /** Changed once it is signed, so that its proof is wrong. */
  spoiltAfterwards: boolean;
}

const KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'length',
  'then',
  'tag',
  'a.b',
  '',
];
const hostileTexts = [
  ...[
    '',
    ' ',
    '\u0000',
    '\ud800',
    '\udfff\ud800',
    '\u202e',
    '𝔘',
    'ı',
    'İ',
    '1.4.2\n',
    '../../etc/passwd',
    '%00',
    '%',
    '🐳',
  ],
  ...['sha256:', `sha256:${'a'.repeat(64)}`, `sha256:${'A'.repeat(64)}`, `sha256-${'a'.repeat(64)}.sig`, 'a@b:c@d'],
  ...['a'.repeat(129), 'a/'.repeat(200), 'x'.repeat(70_000), ':'.repeat(5000), '-'.repeat(5000), ' '.repeat(20_000)],
  ...[
    'http://[::1',
    'http://a b',
    'https://user:pass@h/x',
    '//x',
    'localhost:99999/a/b:c',
    '[::1]:5000/a:b',
    'A.B/C:D',
  ],
  ...[
    '9999-12-31T23:59:59Z',
    '+275760-09-13T00:00:00Z',
    '-1',
    '1e400',
    'NaN',
    '2026-02-30',
    '0',
    'null',
    '{}',
    '[]',
    '"',
  ],
  ...['pkg:oci/%', 'pkg:oci/a@b?c', 'pkg:', 'pkg:docker/a/b@sha256%3aaa?tag=%ff', 'arn:aws:sns:a:b:c'],
  ...['__proto__', 'constructor', 'toString', "' or 1=1; --", '$1', '{{x}}', '${x}', 'PUSH_ARTIFACT', 'push', 'delete'],
];
const numbers = [0, -0, -1, 1.5, 1e308, -1e308, 2 ** 53, 2 ** 63, 253_402_300_800, 8.64e15, 8.64e15 + 1, 1e-320];

function deep(levels: number, list: boolean): unknown {
  let value: unknown = 'deep';
  for (let level = 0; level < levels; level += 1) value = list ? [value] : { data: value };
  return value;
}

const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<unknown>(...hostileTexts) },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(null, true, false, [], {}, [null], [[]], [{}], ...numbers) },
  {
    weight: 1,
    arbitrary: fc
      .record({ levels: fc.constantFrom(10, 100, 3000), list: fc.boolean() })
      .map((one) => deep(one.levels, one.list)),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(pollution('tag'), pollution('kind'), pollution('fuzzed')) },
);

function pollution(key: string): unknown {
  return withKey(withKey({}, 'constructor', { prototype: { [key]: 'evil' } }), '__proto__', { [key]: 'evil' });
}

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(1000),
  how: fc.constantFrom<Change['how'][]>('replace', 'replace', 'replace', 'remove', 'add', 'repeat', 'wrap', 'text'),
  key: fc.constantFrom(...KEYS),
  value,
});

const contentTypes = [
  ...['', 'application/json', 'application/json; charset=utf-16', 'text/plain', 'application/cloudevents+json'],
  ...[
    'application/cloudevents-batch+json',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/x+json',
  ],
  ...['application/vnd.docker.distribution.events.v1+json', 'application/octet-stream', ';', 'a/b/c', '\u00ff'],
];
/** What is looked at by one kind or another, and what its framework looks at. */
const headerNames = [
  ...['content-type', 'content-type', 'content-encoding', 'authorization', 'x-github-event', 'x-github-delivery'],
  ...['x-hub-signature-256', 'x-jfrog-event-auth', 'x-nexus-webhook-id', 'x-nexus-webhook-signature', 'x-api-key'],
  ...['x-gitea-event', 'x-gitea-signature', 'aeg-event-type', 'aeg-data-version', 'ce-specversion', 'ce-type', 'ce-id'],
  ...['ce-source', 'ce-time', 'ce-datacontenttype', 'webhook-id', 'webhook-timestamp', 'webhook-signature'],
  ...['x-amz-sns-message-type', 'x-amz-sns-rawdelivery', 'x-amz-sns-message-id', 'x-goog-pubsub-message-id'],
  ...['webhook-request-origin', 'webhook-request-rate', 'webhook-request-callback', 'x-request-id', 'x-forwarded-for'],
];
const headerValue = fc.oneof(
  fc.constantFrom(
    ...contentTypes,
    'true',
    'gzip',
    'br',
    'ping',
    'push',
    'package',
    'Notification',
    'SubscriptionConfirmation',
  ),
  fc.constantFrom(
    'SubscriptionValidation',
    'x'.repeat(6000),
    '%00',
    '%',
    `sha256=${'0'.repeat(64)}`,
    `Bearer ${WRONG}`,
    'Basic !',
  ),
  fc.string({
    unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code === 0x7f ? 0x80 : code)),
    maxLength: 40,
  }),
);

export const mutation: fc.Arbitrary<Mutation> = fc.record({
  changes: fc.array(change, { maxLength: 4 }),
  bytes: fc.oneof(
    { weight: 3, arbitrary: fc.constant<Mutation['bytes']>([]) },
    {
      weight: 1,
      arbitrary: fc.array(
        fc.record({
          at: fc.nat(),
          how: fc.constantFrom<('cut' | 'flip' | 'insert' | 'drop')[]>('cut', 'flip', 'insert', 'drop'),
          with: fc.uint8Array({ minLength: 1, maxLength: 8 }),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    },
  ),
  headers: fc.oneof(
    { weight: 2, arbitrary: fc.constant<Mutation['headers']>([]) },
    {
      weight: 1,
      arbitrary: fc.array(
        fc.record({
          name: fc.constantFrom(...headerNames),
          how: fc.constantFrom<('remove' | 'set' | 'spoil')[]>('remove', 'set', 'set', 'spoil'),
          value: headerValue,
        }),
        { minLength: 1, maxLength: 3 },
      ),
    },
  ),
  method: fc.oneof(
    { weight: 20, arbitrary: fc.constant<'POST'>('POST') },
    { weight: 1, arbitrary: fc.constantFrom<Mutation['method'][]>('PUT', 'GET', 'OPTIONS', 'HEAD') },
  ),
  spoiltAfterwards: fc.oneof(
    { weight: 15, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
});

/** What is sent: the seed's body, changed, then signed as its sender would. */
export function mutated(seed: Seed, { changes, bytes, headers, spoiltAfterwards }: Mutation): Sent {
  const body = changes.reduce<unknown>(changed, JSON.parse(JSON.stringify(seed.body)));
  const sent = seed.send(bytes.reduce(changedBytes, Buffer.from(JSON.stringify(body))));
  const raw = spoiltAfterwards ? Buffer.concat([sent.raw, Buffer.from(' ')]) : sent.raw;
  return { ...sent, raw, headers: headers.reduce(changedHeaders, sent.headers) };
}

type Place = (string | number)[];

function placesIn(node: unknown, path: Place = []): Place[] {
  if (typeof node !== 'object' || node === null || path.length > 40) return [path];
  const entries = Array.isArray(node) ? node.map((one, index) => [index, one] as const) : Object.entries(node);
  return [path, ...entries.slice(0, 50).flatMap(([key, one]) => placesIn(one, [...path, key]))];
}

function changed(body: unknown, made: Change): unknown {
  const places = placesIn(body);
  return changedAt(body, places[made.at % places.length] ?? [], made);
}

function changedAt(node: unknown, [next, ...rest]: Place, made: Change): unknown {
  if (next === undefined) return changedNode(node, made);
  if (Array.isArray(node))
    return node.map((one: unknown, index) => (index === next ? changedAt(one, rest, made) : one));
  const entries = Object.entries(node as object).flatMap(([key, one]): [string, unknown][] => {
    if (key !== next) return [[key, one]];
    return made.how === 'remove' && rest.length === 0 ? [] : [[key, changedAt(one, rest, made)]];
  });
  return Object.fromEntries(entries);
}

function changedNode(node: unknown, { how, key, value: given }: Change): unknown {
  const isObject = typeof node === 'object' && node !== null && !Array.isArray(node);
  if (how === 'add' && isObject) return withKey(node, key, given);
  if (how === 'add' && Array.isArray(node)) return [...(node as unknown[]), given];
  if (how === 'repeat' && Array.isArray(node)) return Array.from({ length: 300 }, () => node as unknown[]).flat();
  if (how === 'wrap') return [node];
  if (how === 'text' && typeof node === 'string' && typeof given === 'string') return node + given;
  if (how === 'text') return JSON.stringify(node);
  return how === 'remove' ? null : given;
}

/** Also `__proto__`, which is then a key like others, as JSON.parse makes it. */
function withKey(node: object, key: string, given: unknown): object {
  return Object.fromEntries([...Object.entries(node), [key, given]]);
}

function changedBytes(body: Buffer, { at, how, with: given }: Mutation['bytes'][number]): Buffer {
  const place = at % (body.length + 1);
  if (how === 'cut') return body.subarray(0, place);
  if (how === 'insert') return Buffer.concat([body.subarray(0, place), given, body.subarray(place)]);
  if (how === 'drop') return Buffer.concat([body.subarray(0, place), body.subarray(place + given.length)]);
  const flipped = Buffer.from(body);
  if (place < flipped.length) flipped[place] = (flipped[place] ?? 0) ^ (given[0] ?? 1);
  return flipped;
}

function changedHeaders(headers: Headers, { name, how, value: given }: Mutation['headers'][number]): Headers {
  const own = Object.keys(headers);
  // Often one that matters to this kind: `spoil` changes one of the seed's own.
  const chosen = how === 'spoil' ? (own[given.length % own.length] ?? name) : name;
  const { [chosen]: before, ...others } = headers;
  if (how === 'remove') return others;
  return { ...others, [chosen]: how === 'spoil' ? `${before ?? ''}${given}`.trim() : given.trim() };
}
