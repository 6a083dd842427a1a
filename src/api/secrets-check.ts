import { listSealedSecrets } from '../db/sealed-secrets';
import { credentialsPlace } from '../registry-client/stored-registries';
import { whyUnreadable } from '../secret-box';
import type { ApiDeps } from './deps';
import { secretPlace } from './source-store';

/** A key changes with a restart, a source with a PUT that seals with the key that there is: neither needs a closer look. */
const KEPT_MS = 60_000;
/** Of sources and of registries each: opening one takes some microseconds. */
const MAX_OPENED = 1000;
/** In one line; each of the others says it of itself. */
const MAX_NAMED = 10;

export interface SecretsCheck {
  /** Names what cannot be opened, and why; null where all can be. Looks at most once a minute, however often it is asked. */
  trouble(): Promise<string | null>;
}

/** Whether what is stored encrypted can be opened with the key that this process has: what cannot is found at the start, not by a push. */
export function createSecretsCheck({ pool, config, log }: Pick<ApiDeps, 'pool' | 'config' | 'log'>): SecretsCheck {
  let found: { at: number; trouble: Promise<string | null> } | undefined;
  let said: string | null = null;

  async function look(): Promise<string | null> {
    const rows = await listSealedSecrets(pool, MAX_OPENED);
    const unreadable = rows.flatMap(({ what, name, sealed }) => {
      const place = what === 'source' ? secretPlace(name) : credentialsPlace(name);
      const why = whyUnreadable(sealed, place, config.FLEETWAVE_SECRETS_KEY);
      return why === null ? [] : [{ thing: `${what === 'source' ? 'webhook source' : 'registry'} ${name}`, why }];
    });
    const trouble = inWords(unreadable);
    if (trouble !== null && trouble !== said) log.warn(`secrets that are stored cannot be read: ${trouble}`);
    said = trouble;
    return trouble;
  }

  return {
    trouble() {
      if (found !== undefined && Date.now() - found.at < KEPT_MS) return found.trouble;
      const asked = { at: Date.now(), trouble: look() };
      found = asked;
      // A database that was away is asked again at once.
      asked.trouble.catch(() => {
        if (found === asked) found = undefined;
      });
      return asked.trouble;
    },
  };
}

function inWords(unreadable: readonly { thing: string; why: string }[]): string | null {
  if (unreadable.length === 0) return null;
  const names = unreadable.slice(0, MAX_NAMED).map((one) => one.thing);
  const left = unreadable.length - names.length;
  const more = left > 0 ? ` and ${left} more, which GET /api/v1/webhook-sources and /api/v1/registries name` : '';
  const reasons = [...new Set(unreadable.map((one) => one.why))];
  return `${names.join(', ')}${more}: ${reasons.join('; ')}`;
}
