/** What was started, to be ended in the opposite order: all of it, also when one of them fails. */
export class Cleanups {
  readonly #list: (() => Promise<unknown>)[] = [];

  add(cleanup: () => Promise<unknown>): void {
    this.#list.push(cleanup);
  }

  async run(): Promise<void> {
    const failed: unknown[] = [];
    for (const cleanup of this.#list.splice(0).reverse())
      await cleanup().catch((error: unknown) => {
        failed.push(error);
      });
    if (failed.length > 0) throw new AggregateError(failed, failed.map(String).join('; '));
  }
}
