/** What takes longer than this says how far it is. */
const QUIET_MS = 2000;

export interface RepairProgress {
  say(text: string): void;
  end(): void;
}

/** Every two seconds a line on stderr with the last that was said: stdout is for the table. */
export function startProgress(write: (text: string) => void = (text) => process.stderr.write(text)): RepairProgress {
  let last: string | null = null;
  const timer = setInterval(() => {
    if (last !== null) write(`${last}\n`);
    last = null;
  }, QUIET_MS);
  return {
    say(text) {
      last = text;
    },
    end() {
      clearInterval(timer);
    },
  };
}
