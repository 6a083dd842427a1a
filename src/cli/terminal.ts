import { isatty } from 'node:tty';
import pc from 'picocolors';

/** What a command may do to the terminal; tests give one that keeps the text. */
export interface Terminal {
  /** What the command answers, on stdout. */
  write(text: string): void;
  /** What is said about it, on stderr. */
  say(text: string): void;
  /** Width of a terminal that can redraw lines, null for a pipe or a file. */
  columns(): number | null;
  colors: Colors;
}

export type Colors = Pick<ReturnType<typeof pc.createColors>, 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan'>;

export const plainColors: Colors = pc.createColors(false);

export function processTerminal(): Terminal {
  return {
    write: (text) => process.stdout.write(text),
    say: (text) => process.stderr.write(text),
    columns: () => (process.stdout.isTTY ? process.stdout.columns || 80 : null),
    // Not `process.stdout.isTTY`: it is undefined for a pipe, which means "as you like" here, and CI then gets colours.
    colors: pc.createColors(isatty(1) && pc.isColorSupported),
  };
}
