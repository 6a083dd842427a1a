/** What a person at the terminal sees while servers are found, built and started. */
export interface Progress {
  /** A line that belongs to the step under way. */
  note(text: string): void;
  /** Runs one step and prints one line with its time; a failed step prints `failed`, a long one now and then that it goes on. */
  step<T>(name: string, run: () => Promise<T>): Promise<T>;
}

/** After the first of these a person wants to hear that something happens; then it may be rarer. */
const FIRST_WORD_MS = 2000;
const NEXT_WORD_MS = 10_000;

/** Writes to stderr, because stdout is for what a command answers. */
export function terminalProgress(write: (text: string) => void = (text) => process.stderr.write(text)): Progress {
  return {
    note(text) {
      write(`  ${text}\n`);
    },
    async step(name, run) {
      const startedAt = performance.now();
      const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1);
      let timer = setTimeout(function tell() {
        write(`${name} ... under way (${seconds()} s)\n`);
        timer = setTimeout(tell, NEXT_WORD_MS);
      }, FIRST_WORD_MS);
      try {
        const result = await run();
        write(`${name} ... ready (${seconds()} s)\n`);
        return result;
      } catch (error) {
        write(`${name} ... failed (${seconds()} s)\n`);
        throw error;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** For tests, where only failures matter and those are thrown. */
export const silentProgress: Progress = {
  note: () => undefined,
  step: (_name, run) => run(),
};
