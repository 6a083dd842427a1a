import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { findKind, registryKinds } from '../api/registries';
import { takesContentType, type Delivery, type RegistryKind, type Source } from '../api/registries/kind';
import { UnreadableDelivery, type DeliveryItem, type ParsedDelivery } from '../api/registries/push';
import { CliError, exitCodes } from './cli-error';
import type { Terminal } from './terminal';

interface Given {
  kind: string;
  header: [string, string][];
  registryHost?: string;
  repository: [string, string][];
  options?: Record<string, unknown>;
  json?: boolean;
}

export function addWebhook(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  program
    .command('webhook')
    .description('look into what registries send')
    .command('explain')
    .description(
      'say what would be understood of a delivery, and why; asks nobody, checks no signature, changes nothing. ' +
        'Exits 1 where it would be refused or nothing that it announces could be rolled out; a ping or a pull, which is ignored, is no fault',
    )
    .summary('say what would be understood of a delivery')
    .argument('<file>', 'its body, as it came; `-` for stdin')
    .addOption(
      new Option('--kind <kind>', 'whose delivery it is')
        .choices(registryKinds.map((kind) => kind.name))
        .makeOptionMandatory(),
    )
    .option('--header <name: value>', 'a header it came with; may be given several times', pair(':'), [])
    .option('--registry-host <host>', "as the source's registry_host")
    .option('--repository <group=place>', "as one of the source's repositories", pair('='), [])
    .option('--options <json>', "as the source's options", jsonObject)
    .option('--json', 'print JSON')
    .action((file: string, given: Given) => {
      finish(explain(readFile(file), given, terminal));
    });
}

function explain(raw: Buffer, given: Given, terminal: Terminal): number {
  const kind = findKind(given.kind);
  if (kind === undefined) throw new CliError(`There is no kind ${given.kind}.`);
  const source = sourceOf(kind, given);
  const delivery = deliveryOf(raw, given.header);
  const doubts = doubtsAbout(kind, delivery);
  try {
    const parsed = kind.read(delivery, source);
    terminal.write(
      given.json === true
        ? `${JSON.stringify(asJson(parsed, doubts), undefined, 2)}\n`
        : inWords(kind, parsed, raw, doubts),
    );
    return cannotGoOut(parsed) || doubts.length > 0 ? exitCodes.refused : exitCodes.done;
  } catch (error) {
    if (!(error instanceof UnreadableDelivery)) throw error;
    const what = error.path === '' ? error.message : `${error.path}: ${error.message}`;
    const then =
      kind.answers.unreadable === 'record'
        ? 'It would be recorded with this reason and answered 200, because this sender repeats what is refused.'
        : 'It would be answered 422.';
    throw new CliError([`It cannot be read as ${kind.title}: ${what}. ${then}`, ...doubts].join('\n'));
  }
}

function sourceOf(kind: RegistryKind, given: Given): Source {
  const options = kind.options.safeParse(given.options ?? {});
  if (!options.success)
    throw new CliError(
      `--options: ${options.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ')}`,
    );
  return {
    ...{ name: kind.name, kind: kind.name, secrets: [], options: options.data },
    registryHost: given.registryHost ?? null,
    repositories: Object.fromEntries(given.repository),
  };
}

function deliveryOf(raw: Buffer, headers: readonly [string, string][]): Delivery {
  const byName = new Map(headers.map(([name, value]) => [name.toLowerCase(), value]));
  const contentType = byName.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return {
    method: 'POST',
    raw,
    contentType,
    header: (name) => byName.get(name.toLowerCase()) ?? null,
    query: () => null,
  };
}

/** It announces pushes, and none of them can be rolled out. */
function cannotGoOut({ items }: ParsedDelivery): boolean {
  return items.length > 0 && items.every((item) => item.kind === 'unusable');
}

/** What would stop it before it is read. */
function doubtsAbout(kind: RegistryKind, delivery: Delivery): string[] {
  const doubts: string[] = [];
  if (delivery.raw.length > kind.limitBytes)
    doubts.push(`It is ${delivery.raw.length} bytes long: more than ${kind.limitBytes} would be answered 413.`);
  if (!takesContentType(kind, delivery.contentType))
    doubts.push(
      `Its content type ${delivery.contentType || '(none)'} would be answered 415: ${kind.title} sends ${kind.contentTypes.filter((type) => type !== '').join(' or ')}. Give the one it came with by --header 'Content-Type: ...'.`,
    );
  return doubts;
}

function inWords(
  kind: RegistryKind,
  { items, skipped }: ParsedDelivery,
  raw: Buffer,
  doubts: readonly string[],
): string {
  const hash = createHash('sha256').update(raw).digest('hex').slice(0, 12);
  const lines = [`${kind.title}: ${counted(items.length, 'push', 'pushes')}, ${skipped.length} of no concern`];
  for (const item of items) lines.push('', ...linesOf(item, hash));
  if (skipped.length > 0) lines.push('', `Of no concern: ${skipped.join(', ')}`);
  if (items.some((item) => item.kind === 'unusable'))
    lines.push('', 'What a source would say of its places can be tried with --registry-host and --repository.');
  if (items.length === 0) lines.push('', 'It would be answered 200 with the outcome `ignored`, and leave no row.');
  lines.push('', `To be let in, it must bring ${kind.proofInWords}.`, ...doubts);
  return `${lines.join('\n')}\n`;
}

function linesOf(item: DeliveryItem, hash: string): string[] {
  const { tag, digest, eventId } = item.kind === 'push' ? item.push : item.unusable;
  const known =
    eventId === null ? `no event id: a repetition is known by the body's hash (${hash}…)` : `event ${eventId}`;
  const details = [`  digest  ${digest ?? 'not told'}`, `  known by ${known}`];
  if (item.kind === 'unusable')
    return [`${item.unusable.imageName}:${tag ?? ''} cannot be rolled out: ${item.unusable.reason}`, ...details];
  return [
    `${item.push.image}:${item.push.tag}`,
    ...details,
    `  pushed  ${item.push.pushedAt ?? 'at a time that is not told'}`,
  ];
}

function asJson({ items, skipped }: ParsedDelivery, doubts: readonly string[]): unknown {
  const shown = items.map((item) =>
    item.kind === 'push' ? { usable: true, ...item.push } : { usable: false, ...item.unusable },
  );
  return { pushes: shown, skipped, doubts };
}

function counted(count: number, one: string, more: string): string {
  return `${count} ${count === 1 ? one : more}`;
}

function readFile(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new CliError(`Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function pair(separator: string) {
  return (given: string, before: [string, string][]): [string, string][] => {
    const at = given.indexOf(separator);
    if (at < 1) throw new InvalidArgumentError(`It is a name, "${separator}" and a value.`);
    return [...before, [given.slice(0, at).trim(), given.slice(at + 1).trim()]];
  };
}

function jsonObject(given: string): Record<string, unknown> {
  try {
    const parsed = JSON.parse(given) as unknown;
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('It is a JSON object.');
}
