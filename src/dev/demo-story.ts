import { drawTable } from '../cli/table';
import type { Terminal } from '../cli/terminal';
import { holds, type Check } from './demo-proof';

/** Says what happens, in the words of somebody who sees Fleetwave for the first time. */
export interface Story {
  chapter(title: string): void;
  tell(text: string): void;
  links(links: readonly (readonly [name: string, address: string])[]): void;
  proof(checks: readonly Check[]): void;
}

const WIDTH = 100;
const CLAIM_WIDTH = 86;

export function createStory(terminal: Terminal): Story {
  const { bold, cyan, green, red } = terminal.colors;
  let chapters = 0;
  return {
    chapter(title) {
      chapters += 1;
      terminal.write(`\n${bold(`${chapters}. ${title}`)}\n`);
    },
    tell(text) {
      for (const line of wrap(text, WIDTH)) terminal.write(`   ${line}\n`);
    },
    links(links) {
      const width = Math.max(...links.map(([name]) => name.length));
      terminal.write(links.map(([name, address]) => `   ${name.padEnd(width)}  ${cyan(address)}\n`).join(''));
    },
    proof(checks) {
      const rows = checks.map((check) => [
        check.claim.padEnd(CLAIM_WIDTH),
        String(check.expected),
        String(check.found),
        holds(check) ? green('ok') : red('NOT SO'),
      ]);
      const table = drawTable(['CLAIM', 'EXPECTED', 'FOUND', ''], rows);
      terminal.write(table.replace(/^(?=.)/gm, '   '));
    },
  };
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
