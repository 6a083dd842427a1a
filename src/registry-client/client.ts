import { isValidTag, parseImageReference } from '../domain/image-reference';
import { RegistryTrouble, unknown, type TagAnswer, type TagsAnswer, type Unknown, type UnknownReason } from './answers';
import type { Session } from './ask';
import { createAuthorization } from './authorization';
import { createBoundedMap } from './bounded-map';
import { createExchange } from './exchange';
import { createGate, type Gate, type GateLimits } from './gate';
import { listTags, type ListLimits } from './list-tags';
import { realNetwork, type Network } from './network';
import { factsReader, type ImageFacts } from './platforms';
import { resolveTag } from './resolve-tag';
import type { RegistrySettings } from './settings';
import { withinTime } from '../time-limit';
import { createTokenSource } from './token-source';

export interface RegistryClient {
  /** What a tag of a normalised image points to. Nothing but a configured registry is asked. Never throws for what a registry does. */
  resolveTag(image: string, tag: string, options?: ResolveOptions): Promise<TagAnswer>;
  /** Which tags a normalised image has. */
  listTags(image: string): Promise<TagsAnswer>;
  /** Closes idle connections. */
  close(): void;
}

export interface ResolveOptions {
  /** False: only what a HEAD tells, which Docker Hub does not count. */
  platforms?: boolean;
  /** An answer that old will do; 0 after a push, because an older one is of the time before it. */
  maxAgeMs?: number;
}

/** How a registry answered last, for people. */
export interface RegistryHealth {
  host: string;
  version: string;
  at: Date;
  /** It answered as a registry, if only by a refusal. */
  reachable: boolean;
  /** What is wrong; null where nothing is. */
  why: string | null;
  rateLimitRemaining: number | null;
}

export interface ClientLimits extends GateLimits {
  /** Of one request, from the name's look-up to the last byte. */
  requestMs: number;
  /** Of one question with all that it takes. */
  questionMs: number;
  keptMs: number;
  list: ListLimits;
}

export const usualLimits: ClientLimits = {
  atOnce: 4,
  firstWaitMs: 1000,
  longestWaitMs: 300_000,
  requestMs: 10_000,
  questionMs: 30_000,
  keptMs: 30_000,
  list: { pages: 100, bytes: 16 * 1024 * 1024 },
};

export interface ClientOptions {
  /** Null where it is not configured. @throws RegistryTrouble where its settings cannot be used. */
  findRegistry(host: string): Promise<RegistrySettings | null>;
  /** Hears of every question that was asked. */
  onHealth?(health: RegistryHealth): void;
  network?: Network;
  limits?: Partial<ClientLimits>;
}

const MAX_KEPT = 2000;

interface Open {
  session: Session;
  gate: Gate;
}

export function createRegistryClient(options: ClientOptions): RegistryClient {
  const limits = { ...usualLimits, ...options.limits };
  const exchange = createExchange(options.network ?? realNetwork, limits.requestMs);
  const open = new Map<string, Open>();
  const answers = createBoundedMap<{ at: number; answer: Promise<TagAnswer> }>(MAX_KEPT);
  const facts = createBoundedMap<ImageFacts>(MAX_KEPT);

  /** What was learned with older settings (tokens, failures) is left behind. */
  function opened(settings: RegistrySettings): Open {
    const found = open.get(settings.host);
    if (found?.session.settings.version === settings.version) return found;
    const authorization = createAuthorization(settings, createTokenSource(settings, exchange));
    const session = { settings, exchange, authorization, rateLimitRemaining: null };
    const made = { session, gate: createGate(settings.host, limits) };
    open.set(settings.host, made);
    return made;
  }

  async function asking<Answer>(
    registry: RegistrySettings,
    question: (session: Session, signal: AbortSignal, failed: (trouble: RegistryTrouble) => void) => Promise<Answer>,
  ): Promise<Answer | Unknown> {
    const { session, gate } = opened(registry);
    const { host, version } = registry;
    let trouble: RegistryTrouble | undefined;
    try {
      const pass = await gate.enter();
      const failed = (met: RegistryTrouble) => {
        trouble = met;
        if (isFailure(met.reason)) pass.failed(met);
      };
      try {
        return await withinTime(limits.questionMs, undefined, (signal) => question(session, signal, failed));
      } catch (error) {
        if (error instanceof RegistryTrouble) failed(error);
        throw error;
      } finally {
        pass.leave(trouble === undefined || !isFailure(trouble.reason));
        const { rateLimitRemaining } = session;
        const reachable = trouble === undefined || ['refused', 'limited'].includes(trouble.reason);
        options.onHealth?.({
          host,
          version,
          at: new Date(),
          reachable,
          why: trouble?.message ?? null,
          rateLimitRemaining,
        });
      }
    } catch (error) {
      if (error instanceof RegistryTrouble) return unknown(error);
      throw error;
    }
  }

  async function find(image: string): Promise<{ registry: RegistrySettings; repository: string } | Unknown> {
    const parsed = parseImageReference(image);
    if (!parsed.ok || parsed.reference.image !== image)
      throw new TypeError(`${JSON.stringify(image.slice(0, 100))} is no normalised image`);
    const host = parsed.reference.registry.toLowerCase();
    try {
      const registry = await options.findRegistry(host);
      if (registry !== null) return { registry, repository: parsed.reference.repository };
    } catch (error) {
      if (error instanceof RegistryTrouble) return unknown(error);
      throw error;
    }
    const remedy = `PUT /api/v1/registries/${host} has it asked what a tag points to (docs/registries.md)`;
    return unknown(new RegistryTrouble('not_configured', `${host} is not configured; ${remedy}`));
  }

  return {
    async resolveTag(image, tag, { platforms = true, maxAgeMs = limits.keptMs } = {}) {
      if (!isValidTag(tag)) throw new TypeError(`${JSON.stringify(tag.slice(0, 200))} is no tag`);
      const found = await find(image);
      if ('kind' in found) return found;
      const { registry, repository } = found;
      const key = `${registry.version} ${image}:${tag} ${platforms}`;
      const kept = answers.get(key);
      if (kept !== undefined && Date.now() - kept.at <= maxAgeMs) return kept.answer;
      const answer = asking<TagAnswer>(registry, (session, signal, failed) => {
        const none = (digest: string) => Promise.resolve(facts.get(`${image}@${digest}`) ?? { platforms: null });
        const readFacts = factsReader(session, { name: image, repository, signal }, facts, failed);
        return resolveTag(session, { repository, tag, signal }, platforms ? readFacts : none);
      });
      const entry = { at: Date.now(), answer };
      const drop = () => {
        if (answers.get(key) === entry) answers.delete(key);
      };
      answers.set(key, entry);
      // How long a failing registry is left alone is the gate's to say.
      answer.then((came) => {
        if (came.kind === 'unknown' && isFailure(came.reason)) drop();
      }, drop);
      return answer;
    },
    async listTags(image) {
      const found = await find(image);
      if ('kind' in found) return found;
      const { registry, repository } = found;
      return asking<TagsAnswer>(registry, (session, signal) => listTags(session, { repository, signal }, limits.list));
    },
    close: () => exchange.close(),
  };
}

/** What another question would meet as well. */
function isFailure(reason: UnknownReason): boolean {
  return reason === 'unreachable' || reason === 'failing' || reason === 'limited';
}
