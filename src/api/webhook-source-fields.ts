import { z } from 'zod';
import type { WebhookSourceRow } from '../db/webhook-sources';
import { parseImageReference } from '../domain/image-reference';
import { reconcileSource } from '../intake/accept';
import { repairSource } from '../intake/accept-lost';
import { cursorOf, Limit, text } from './fields';
import { registryKinds } from './registries';
import { isPullHost } from './registries/pull-place';
import type { SourceFacts } from './source-facts';

export const SourceName = text(63)
  .refine((name) => /^[a-z0-9-]+$/.test(name), 'must be lower-case letters, digits and "-", at most 63')
  .meta({ example: 'harbor-prod' });
export const SourceParams = z.strictObject({ name: SourceName });
/** What is made by somebody; looks at registries have a name of their own among the deliveries. */
export const NewSourceParams = z.strictObject({
  name: SourceName.refine(
    (name) => name !== reconcileSource && name !== repairSource,
    `"${reconcileSource}" is the name of looks at registries, "${repairSource}" that of what a repair found`,
  ),
});
export const SourceQuery = z.strictObject({ limit: Limit, cursor: cursorOf(SourceName) });

/** The contract knows no shortest one: a hook that is there already may have a short one. Senders take up to a few hundred characters. */
const Secret = z.string().min(1).max(512);

const kindNames = registryKinds.map((kind) => kind.name);
const Kind = z
  .string()
  .refine((name) => kindNames.includes(name), `must be one of ${kindNames.join(', ')}`)
  .meta({ enum: kindNames, example: 'dockerhub' });

const RegistryHost = z
  .string()
  .max(255)
  .refine(
    (host) => isPullHost(host) && isPlace(host),
    'must be a host that images are pulled from, such as registry.acme.io:5000',
  )
  .meta({ example: 'registry.acme.io:5000' });
const Place = z
  .string()
  .max(255)
  .refine(
    (place) => isPullHost(place.split('/', 1)[0] ?? '') && isPlace(place),
    'must be a host, perhaps with a path, such as nexus.acme.io:8082 or acme.jfrog.io/docker',
  );

function isPlace(place: string): boolean {
  const parsed = parseImageReference(`${place}/image`);
  return parsed.ok && parsed.reference.tag === null && parsed.reference.digest === null;
}

export const NewSource = z
  .strictObject({
    kind: Kind.describe("Which sender's deliveries these are; the parser is chosen by it, never by what is sent."),
    secrets: z
      .array(Secret)
      .max(2)
      .default([])
      .describe('The current one, and while it is being changed the previous. Stored encrypted, never shown.'),
    allow_unsigned: z.boolean().default(false).describe('Take deliveries that prove nothing. Only without secrets.'),
    registry_host: RegistryHost.nullish().describe(
      'Where images of this sender are pulled from, if it does not say so or says it wrongly.',
    ),
    repositories: z
      .record(text(255), Place)
      .refine((map) => Object.keys(map).length <= 500, 'at most 500')
      .default({})
      .describe(
        'By the sender\'s own name of a group of repositories, where it is pulled from: {"docker-hosted": "nexus.acme.io:8082"}.',
      ),
    debounce_seconds: z
      .number()
      .int()
      .min(0)
      .max(300)
      .nullish()
      .describe(
        'For how long further events of one push are gathered before its rollout is planned; FLEETWAVE_WEBHOOK_DEBOUNCE_SECONDS where it is not given.',
      ),
    options: z.record(z.string(), z.unknown()).default({}).describe("The kind's own settings."),
  })
  .meta({ example: { kind: 'dockerhub', secrets: ['a-long-random-text'] } });
export type NewSource = z.infer<typeof NewSource>;

export const ShownSource = z.object({
  name: z.string(),
  kind: z.string(),
  secrets: z.array(z.object({ fingerprint: z.string() })).describe('How many, and enough to tell them apart.'),
  secrets_readable: z
    .boolean()
    .describe('False where FLEETWAVE_SECRETS_KEY is not the one that they were encrypted with.'),
  secrets_reason: z.string().nullable().describe('Why they cannot be read, and the remedy.'),
  allow_unsigned: z
    .boolean()
    .describe('Of the built-in source, what the installation says where it has no secrets of its own.'),
  registry_host: z.string().nullable(),
  repositories: z.record(z.string(), z.string()),
  options: z.record(z.string(), z.unknown()),
  debounce_seconds: z.number().int().nullable(),
  last_accepted_at: z.iso.datetime().nullable(),
  last_refused: z
    .object({ at: z.iso.datetime(), status: z.number().int(), reason: z.string() })
    .nullable()
    .describe('Since the API process that answers was started, and of what came to that one.'),
  built_in: z.boolean().describe('Always there; without secrets of its own FLEETWAVE_WEBHOOK_SECRET is its secret.'),
  created_at: z.iso.datetime().nullable(),
  updated_at: z.iso.datetime().nullable(),
  updated_by: z.string().nullable(),
});
export type ShownSource = z.infer<typeof ShownSource>;

export function shownSource(row: WebhookSourceRow, builtIn: boolean, facts: SourceFacts): ShownSource {
  return {
    name: row.name,
    kind: row.kind,
    secrets: row.fingerprints.map((fingerprint) => ({ fingerprint })),
    ...facts,
    registry_host: row.registry_host,
    repositories: row.repositories,
    options: row.options,
    debounce_seconds: row.debounce_seconds,
    built_in: builtIn,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    updated_by: row.updated_by,
  };
}
