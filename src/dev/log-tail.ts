import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Enough for a stack trace, small enough to read only the end of a long log. */
const TAIL_BYTES = 8192;

/** The last lines of a log file, headed by its path, to be shown with a failure. */
export function tailOf(path: string, lines = 25): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return `(no log at ${path})`;
  }
  try {
    const size = fstatSync(file).size;
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
    const text = buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
    return `The end of ${path}:\n${text}`;
  } finally {
    closeSync(file);
  }
}
