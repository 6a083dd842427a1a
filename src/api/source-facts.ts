import type { Pool } from 'pg';
import type { Config } from '../config';
import { lastAcceptedAt } from '../db/webhook-deliveries';
import type { WebhookSourceRow } from '../db/webhook-sources';
import { whyUnreadable } from '../secret-box';
import type { SourceContacts } from './source-contacts';
import { builtInSource, secretPlace } from './source-store';

/** What is true of a source beside what was put. */
export interface SourceFacts {
  allow_unsigned: boolean;
  secrets_readable: boolean;
  secrets_reason: string | null;
  last_accepted_at: string | null;
  last_refused: { at: string; status: number; reason: string } | null;
}

type Configured = Pick<WebhookSourceRow, 'name' | 'secrets' | 'allow_unsigned'>;

export async function readSourceFacts(
  { pool, config, contacts }: { pool: Pool; config: Config; contacts: SourceContacts },
  sources: readonly Configured[],
): Promise<Map<string, SourceFacts>> {
  const stored = await lastAcceptedAt(
    pool,
    sources.map((source) => source.name),
  );
  return new Map(
    sources.map((source): [string, SourceFacts] => {
      const { name, secrets } = source;
      const { acceptedAt, refused } = contacts.of(name);
      const why = whyUnreadable(secrets, secretPlace(name), config.FLEETWAVE_SECRETS_KEY);
      const facts = {
        allow_unsigned: takesUnsigned(source, config),
        secrets_readable: why === null,
        secrets_reason: why,
        last_accepted_at: later(acceptedAt, stored.get(name) ?? null)?.toISOString() ?? null,
        last_refused: refused === null ? null : { ...refused, at: refused.at.toISOString() },
      };
      return [name, facts];
    }),
  );
}

/** The built-in source without secrets of its own is as the installation says. */
function takesUnsigned({ name, secrets, allow_unsigned: asked }: Configured, config: Config): boolean {
  if (name !== builtInSource || secrets.length > 0) return asked;
  return config.FLEETWAVE_WEBHOOK_SECRET === undefined && (asked || config.FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS);
}

/** For whoever has just given the built-in source secrets where it took anything before. */
export function noteOnSecrets({ name, secrets }: Configured, config: Config): { note?: string } {
  const wasOpen = takesUnsigned({ name, secrets: [], allow_unsigned: false }, config);
  if (!wasOpen || secrets.length === 0) return {};
  const back = `PUT {"kind": "${builtInSource}"} without "secrets" takes them again`;
  return { note: `unsigned deliveries are refused from now on: ${back}` };
}

function later(one: Date | null, other: Date | null): Date | null {
  if (one === null || other === null) return one ?? other;
  return one > other ? one : other;
}
