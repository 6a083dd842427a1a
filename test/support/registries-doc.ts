import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface RegistrySection {
  kind: string;
  text: string;
  /** Its commands, as they stand there. */
  script: string;
}

const file = join(__dirname, '..', '..', 'docs', 'registries.md');

/** The sections of docs/registries.md that are about one kind of sender each. */
export function registrySections(): RegistrySection[] {
  return sections().flatMap((text) => {
    const kind = /^`([a-z-]+)`: ./.exec(text)?.[1];
    return kind === undefined ? [] : [{ kind, text, script: scriptIn(text) }];
  });
}

/** What the sections' commands need, without the line that a reader fills in. */
export function registryPreamble(): string {
  const lines = scriptIn(sections()[0] ?? '').split('\n');
  return lines.filter((line) => !line.startsWith('export ')).join('\n');
}

function sections(): string[] {
  return readFileSync(file, 'utf8').split(/^## /m);
}

function scriptIn(text: string): string {
  return /```sh\n([^]*?)```/.exec(text)?.[1] ?? '';
}
