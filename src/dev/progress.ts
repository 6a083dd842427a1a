/** What a person at the terminal sees while servers are found, built and started. */
export interface Progress {
  /** A line that belongs to the step under way. */
  note(text: string): void;
  /** Runs one step and prints one line with its time; a failed step prints `failed`. */
  step<T>(name: string, run: () => Promise<T>): Promise<T>;
}

/** Writes to stderr, because stdout is for what a command answers. */
export function terminalProgress(write: (text: string) => void = (text) => process.stderr.write(text)): Progress {
  return {
    note(text) {
      write(`  ${text}\n`);
    },
    async step(name, run) {
      const startedAt = performance.now();
      const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1);
      try {
        const result = await run();
        write(`${name} ... ready (${seconds()} s)\n`);
        return result;
      } catch (error) {
        write(`${name} ... failed (${seconds()} s)\n`);
        throw error;
      }
    },
  };
}

/** For tests, where only failures matter and those are thrown. */
export const silentProgress: Progress = {
  note: () => undefined,
  step: (_name, run) => run(),
};
