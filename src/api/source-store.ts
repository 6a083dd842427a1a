import type { Config } from '../config';
import { readWebhookSource, type WebhookSourceRow } from '../db/webhook-sources';
import { createSecretBox, whyUnreadable } from '../secret-box';
import type { ApiDeps } from './deps';
import { HttpProblem } from './problem';
import { findKind } from './registries';
import { dockerRegistry } from './registries/docker-registry';
import type { RegistryKind, Source } from './registries/kind';

/** The source that is there from the start: FLEETWAVE_WEBHOOK_SECRET is its secret, unless a row gives it its own. */
export const builtInSource = dockerRegistry.name;

/** Any other text is the name of none, and is looked up nowhere. */
export function isSourceName(name: string): boolean {
  return /^[a-z0-9-]{1,63}$/.test(name);
}

/** How long what is known of a source is used without asking; an acceptance sees a changed one at once (`version`). */
const KEPT_MS = 60_000;
/** A refusal asks again whether the source has changed, but strangers cannot make it ask more often. */
const ASK_AGAIN_MS = 1000;

export interface StoredSource {
  source: Source;
  kind: RegistryKind;
  allowUnsigned: boolean;
  debounceSeconds: number;
  /** For the log: what to set when a delivery brings no right secret. */
  secretsAre: string;
  /** Null while the built-in source has no row. */
  version: string | null;
}

export interface SourceStore {
  /** @throws HttpProblem 503 where its secrets cannot be read here. */
  find(name: string): Promise<StoredSource | null>;
  /** As it is now. `asked` is what was acted on; false when it is still the same, or was asked for a moment ago. */
  hasChanged(name: string, asked: StoredSource): Promise<boolean>;
  forget(name: string): void;
}

interface Kept {
  stored: StoredSource;
  askedAt: number;
  until: number;
}

/**
 * Knows the sources without a statement a delivery: a repetition must stay cheap. The built-in one is taken to be as configured
 * until an acceptance, which compares versions in the database, says otherwise.
 */
export function createSourceStore({ pool, config }: Pick<ApiDeps, 'pool' | 'config'>): SourceStore {
  const known = new Map<string, Kept>();
  /** Until it is asked for the first time. */
  let builtInIsAssumed = true;

  async function ask(name: string): Promise<StoredSource | null> {
    const row = await readWebhookSource(pool, name);
    known.delete(name);
    if (name === builtInSource) builtInIsAssumed = false;
    if (row === null && name !== builtInSource) return null;
    const stored = row === null ? builtIn(config) : fromRow(row, config);
    known.set(name, { stored, askedAt: Date.now(), until: Date.now() + KEPT_MS });
    return stored;
  }

  return {
    async find(name) {
      const kept = known.get(name);
      if (kept !== undefined && Date.now() < kept.until) return kept.stored;
      if (name !== builtInSource || !builtInIsAssumed) return ask(name);
      const stored = builtIn(config);
      known.set(name, { stored, askedAt: 0, until: Date.now() + KEPT_MS });
      return stored;
    },
    async hasChanged(name, asked) {
      const kept = known.get(name);
      if (kept !== undefined && kept.stored !== asked) return true;
      if (kept !== undefined && Date.now() - kept.askedAt < ASK_AGAIN_MS) return false;
      return (await ask(name))?.version !== asked.version;
    },
    forget(name) {
      known.delete(name);
      if (name === builtInSource) builtInIsAssumed = false;
    },
  };
}

function builtIn(config: Config): StoredSource {
  const secret = config.FLEETWAVE_WEBHOOK_SECRET;
  return {
    kind: dockerRegistry,
    source: {
      name: builtInSource,
      kind: dockerRegistry.name,
      secrets: secret === undefined ? [] : [secret],
      registryHost: null,
      repositories: {},
      options: {},
    },
    allowUnsigned: config.FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS,
    debounceSeconds: config.FLEETWAVE_WEBHOOK_DEBOUNCE_SECONDS,
    secretsAre: 'FLEETWAVE_WEBHOOK_SECRET',
    version: null,
  };
}

/** @throws HttpProblem 503: the sender keeps the delivery, and whoever runs this is told what is wrong. */
function fromRow(row: WebhookSourceRow, config: Config): StoredSource {
  const kind = findKind(row.kind);
  if (kind === undefined) throw unusable(row.name, `this release does not know its kind ${row.kind}`);
  const options = kind.options.safeParse(row.options);
  if (!options.success) throw unusable(row.name, `this release does not take its options: ${options.error.message}`);
  const inherits = row.name === builtInSource && row.secrets.length === 0;
  const own = inherits ? builtIn(config) : null;
  return {
    kind,
    source: {
      name: row.name,
      kind: row.kind,
      secrets: own?.source.secrets ?? openSecrets(row, config),
      registryHost: row.registry_host,
      repositories: row.repositories,
      options: options.data,
    },
    allowUnsigned: row.allow_unsigned || (own?.allowUnsigned ?? false),
    debounceSeconds: row.debounce_seconds ?? config.FLEETWAVE_WEBHOOK_DEBOUNCE_SECONDS,
    secretsAre: own?.secretsAre ?? `the secrets of PUT /api/v1/webhook-sources/${row.name}`,
    version: row.version,
  };
}

function openSecrets(row: WebhookSourceRow, config: Config): string[] {
  if (row.secrets.length === 0) return [];
  const key = config.FLEETWAVE_SECRETS_KEY;
  const why = whyUnreadable(row.secrets, secretPlace(row.name), key);
  if (key === undefined || why !== null) throw unusable(row.name, why ?? 'FLEETWAVE_SECRETS_KEY is not set');
  const box = createSecretBox(key);
  return row.secrets.map((sealed) => box.open(sealed, secretPlace(row.name)));
}

/** What a sealed secret is bound to. */
export function secretPlace(name: string): string {
  return `webhook-source:${name}`;
}

function unusable(source: string, why: string): HttpProblem {
  return new HttpProblem(503, 'source-unavailable', 'this source cannot take deliveries now: try again later', {
    headers: { 'retry-after': '60' },
    forTheLog: `deliveries of source ${source} cannot be checked: ${why}`,
  });
}
