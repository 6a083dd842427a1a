import { parseImageReference } from '../domain/image-reference';
import { exitCodes } from './cli-error';
import type { Terminal } from './terminal';

/**
 * Prints what each reference means, a JSON line each. That a reference is invalid is an answer and not a failure of the
 * command, so it ends with 0 unless `check` asks otherwise.
 */
export async function describeImages(
  references: readonly string[],
  options: { check?: boolean },
  input: AsyncIterable<Buffer | string>,
  terminal: Terminal,
): Promise<number> {
  let allValid = true;
  for (const reference of references) {
    for await (const text of reference === '-' ? linesOf(input) : [reference]) {
      const parsed = parseImageReference(text);
      allValid &&= parsed.ok;
      terminal.write(`${JSON.stringify(describeImage(text))}\n`);
    }
  }
  return options.check === true && !allValid ? exitCodes.refused : exitCodes.done;
}

export interface ImageDescription {
  input: string;
  valid: boolean;
  registry: string | null;
  repository: string | null;
  tag: string | null;
  digest: string | null;
  error: string | null;
}

export function describeImage(input: string): ImageDescription {
  const parsed = parseImageReference(input);
  if (!parsed.ok)
    return { input, valid: false, registry: null, repository: null, tag: null, digest: null, error: parsed.error };
  const { registry, repository, tag, digest } = parsed.reference;
  return { input, valid: true, registry, repository, tag, digest, error: null };
}

/** Lines as they come, so that a long pipe is answered while it runs; empty ones are left out. */
async function* linesOf(input: AsyncIterable<Buffer | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of input) {
    const lines = (rest + (typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }))).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield line.replace(/\r$/, '');
  }
  rest += decoder.decode();
  if (rest.trim() !== '') yield rest.replace(/\r$/, '');
}
