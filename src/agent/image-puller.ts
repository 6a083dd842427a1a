import type { Logger } from '../log';
import type { Engine } from './engine';
import { between, type Random } from './random';
import { pulledDigest, pullReference } from './rules/image-digest';
import { pullBackOffMs, pullFailure } from './rules/pull-failure';
import type { EngineAuth } from './rules/registry-auth';
import type { ServiceRecord } from './rules/service-record';

export interface PullerOptions {
  engine: Engine;
  authFor: (imageName: string) => EngineAuth | null;
  random: Random;
  log: Logger;
  pullLimitMs: number;
}

export type PullOutcome =
  | { kind: 'pulled'; image: ServiceRecord['digests'][number] }
  /** Tried again after `retryAtMs`; `final` when waiting longer is no use, or has been of none for the whole limit. */
  | { kind: 'failed'; reason: string; final: boolean; retryAtMs: number };

/** Brings images to the machine, one for each service, and remembers how often one would not come. */
export class ImagePuller {
  readonly #options: PullerOptions;
  #failures = 0;
  #since: number | null = null;

  constructor(options: PullerOptions) {
    this.#options = options;
  }

  /** Another image is wanted: what went wrong with the one before does not count. */
  reset(): void {
    this.#failures = 0;
    this.#since = null;
  }

  /** @throws what the signal was aborted with: that is no failure of the image. */
  async pull(imageName: string, known: ServiceRecord['digests'], signal: AbortSignal): Promise<PullOutcome> {
    const { engine, authFor, pullLimitMs, log } = this.#options;
    const reference = pullReference(imageName);
    this.#since ??= Date.now();
    const limit = AbortSignal.timeout(pullLimitMs);
    try {
      const local = reference.includes('@') ? await engine.image(reference) : null;
      const said =
        local === null ? await engine.pull(reference, authFor(imageName), AbortSignal.any([signal, limit])) : null;
      const image = local ?? (await engine.image(reference));
      if (image === null) throw new Error(`${reference} was pulled, but the engine does not have it`);
      this.reset();
      return {
        kind: 'pulled',
        image: {
          imageName,
          imageId: image.id,
          digest: said ?? pulledDigest(imageName, image.repoDigests, image.digest),
        },
      };
    } catch (error) {
      signal.throwIfAborted();
      const message = error instanceof Error ? error.message : String(error);
      log.warn({ image: imageName, err: message }, 'the image could not be pulled');
      const kept = await this.#keptImage(imageName, reference, known);
      return kept ?? this.#failed(message);
    }
  }

  /** The registry may be away when the image before is to be put back: one that ran here once is good enough then. */
  async #keptImage(imageName: string, reference: string, known: ServiceRecord['digests']): Promise<PullOutcome | null> {
    const image = await this.#options.engine.image(reference).catch(() => null);
    const earlier = known.find((one) => one.imageName === imageName && one.imageId === image?.id);
    return earlier === undefined ? null : { kind: 'pulled', image: earlier };
  }

  #failed(message: string): PullOutcome {
    const { random, pullLimitMs } = this.#options;
    this.#failures += 1;
    const { reason, permanent } = pullFailure(message);
    const now = Date.now();
    const final = permanent || now - (this.#since ?? now) >= pullLimitMs;
    return { kind: 'failed', reason, final, retryAtMs: now + pullBackOffMs(this.#failures, between(random, 0.7, 1.3)) };
  }
}
