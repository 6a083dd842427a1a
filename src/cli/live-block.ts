import { stripVTControlCharacters } from 'node:util';

/**
 * Lines at the end of the terminal that are drawn again in place. Lines are cut at the terminal's width, because one that
 * wraps would take two rows and the next drawing would begin a row too low.
 */
export class LiveBlock {
  readonly #write: (text: string) => void;
  #rows = 0;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  draw(lines: readonly string[], columns: number): void {
    const up = this.#rows === 0 ? '' : `\u001b[${this.#rows}A`;
    this.#write(`${up}${lines.map((line) => `\u001b[2K${cutLine(line, columns)}\n`).join('')}\u001b[0J`);
    this.#rows = lines.length;
  }

  /** Leaves what is drawn where it is; the next drawing begins below it. */
  release(): void {
    this.#rows = 0;
  }
}

/** A line too long loses its colours with its end, so that no colour is left open. */
function cutLine(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length < columns ? line : `${plain.slice(0, Math.max(0, columns - 2))}…`;
}
