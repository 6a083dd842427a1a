import { plainColors, type Terminal } from '../../../src/cli/terminal';

/** A terminal that keeps what is written, without colours; with `columns` it is one that can redraw. */
export function capturedTerminal(columns: number | null = null): Terminal & { out: string; err: string } {
  const terminal = {
    out: '',
    err: '',
    write: (text: string) => {
      terminal.out += text;
    },
    say: (text: string) => {
      terminal.err += text;
    },
    columns: () => columns,
    colors: plainColors,
  };
  return terminal;
}
