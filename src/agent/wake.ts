/** A sleep that can be cut short, by `wake` or by the end of everything. */
export class Wake {
  #woken = false;
  #end: (() => void) | null = null;

  wake(): void {
    this.#woken = true;
    this.#end?.();
  }

  /** Returns at once when it was woken since the last wait. */
  async wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (!this.#woken && !signal.aborted)
      await new Promise<void>((resolve) => {
        const finish = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', finish);
          this.#end = null;
          resolve();
        };
        const timer = setTimeout(finish, milliseconds);
        signal.addEventListener('abort', finish, { once: true });
        this.#end = finish;
      });
    this.#woken = false;
  }
}
