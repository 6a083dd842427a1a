import type { ImagePuller, PullOutcome } from './image-puller';
import type { ServiceRecord } from './rules/service-record';
import type { WantedService } from './rules/wanted-service';

/** Whether the image of what is wanted is here, and the pulling of it, which may be given up and may have to wait. */
export class WantedImage {
  readonly #puller: ImagePuller;
  readonly #signal: AbortSignal;
  #pulling: AbortController | null = null;
  #pulledFor: string | null = null;
  #missedOnce = false;
  #againAtMs = 0;

  constructor(puller: ImagePuller, signal: AbortSignal) {
    this.#puller = puller;
    this.#signal = signal;
  }

  isReady({ spec }: WantedService): boolean {
    return this.#pulledFor === spec;
  }

  /** A pull has failed, and its next try is still to come. */
  get isWaiting(): boolean {
    return this.#againAtMs > 0;
  }

  get isTooSoon(): boolean {
    return Date.now() < this.#againAtMs;
  }

  /** For another target, which does not wait for what failed before. */
  tryAtOnce(): void {
    this.#againAtMs = 0;
    this.#puller.reset();
  }

  tryAgainAt(atMs: number): void {
    this.#againAtMs = atMs;
  }

  /** Its tag may point to another one by now. */
  forget(): void {
    this.#pulledFor = null;
  }

  /** Somebody has removed it since it was pulled. @returns whether it is to be pulled again: not for ever. */
  pullAgainIfMissing(isMissing: boolean): boolean {
    const again = isMissing && !this.#missedOnce;
    this.#missedOnce = isMissing;
    if (again) this.forget();
    return again;
  }

  /** What is being pulled is not wanted any more; what is wanted now does not wait for it. */
  giveUp(): void {
    this.#pulling?.abort(new Error('the image is not wanted any more'));
  }

  /** @returns null where it was given up. */
  async pull({ imageName, spec }: WantedService, known: ServiceRecord['digests']): Promise<PullOutcome | null> {
    const pulling = new AbortController();
    this.#pulling = pulling;
    try {
      const outcome = await this.#puller.pull(imageName, known, AbortSignal.any([this.#signal, pulling.signal]));
      if (outcome.kind !== 'failed') this.#pulledFor = spec;
      return outcome;
    } catch (error) {
      if (pulling.signal.aborted) return null;
      throw error;
    } finally {
      this.#pulling = null;
    }
  }
}
