import { crashBackOffMs } from './rules/next-step';

/** How often in a row something was tried in vain, and whether it is too soon to try again. */
export class Attempts {
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
