import { crashBackOffMs } from './rules/next-step';

/** How often in a row the engine would not bring back what is proven, and whether it is too soon to ask again. */
export class Refusals {
  #count = 0;
  #atMs = 0;

  note(): void {
    this.#count += 1;
    this.#atMs = Date.now();
  }

  forget(): void {
    this.#count = 0;
  }

  isTooSoon(): boolean {
    return this.#count > 0 && Date.now() < this.#atMs + crashBackOffMs(this.#count);
  }
}
