export interface Sleeper {
  wakeAt: number;
}

/** A binary heap by `wakeAt`: thousands of devices need one timer, for the earliest of them. */
export class WakeQueue<T extends Sleeper> {
  readonly #heap: T[] = [];

  /** When the next one is to be woken, undefined when the queue is empty. */
  nextAt(): number | undefined {
    return this.#heap[0]?.wakeAt;
  }

  push(sleeper: T): void {
    let index = this.#heap.push(sleeper) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfEarlier(index, parent)) return;
      index = parent;
    }
  }

  /** Takes the earliest out, if its time has come. */
  popDue(now: number): T | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.wakeAt > now) return undefined;
    const last = this.#heap.pop();
    if (last === undefined || last === first) return first;
    this.#heap[0] = last;
    this.#sink();
    return first;
  }

  #sink(): void {
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      const child =
        (this.#heap[right]?.wakeAt ?? Number.POSITIVE_INFINITY) < (this.#heap[left]?.wakeAt ?? Number.POSITIVE_INFINITY)
          ? right
          : left;
      if (!this.#swapIfEarlier(child, index)) return;
      index = child;
    }
  }

  #swapIfEarlier(from: number, to: number): boolean {
    const earlier = this.#heap[from];
    const later = this.#heap[to];
    if (earlier === undefined || later === undefined || earlier.wakeAt >= later.wakeAt) return false;
    this.#heap[from] = later;
    this.#heap[to] = earlier;
    return true;
  }
}
