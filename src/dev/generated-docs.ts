import { z } from 'zod';
import { AgentSettings } from '../agent/settings';
import { agentDocuments } from '../api/agent-documents';
import { Settings } from '../config';
import { commandDescriptions, commandEffect, commands } from '../domain/commands';
import { rolloutStatuses, type RolloutStatus } from '../domain/rollout-states';
import { policyRows } from './policy-table';

/** Parts of the documentation that are made from the code, between `<!-- name -->` and `<!-- /name -->`. */
export const generatedSections: Readonly<Record<string, { file: string; content: () => string }>> = {
  configuration: { file: 'README.md', content: configurationTable },
  agent: { file: 'docs/agent.md', content: agentTable },
  commands: { file: 'docs/design.md', content: commandsTable },
  policy: {
    file: 'docs/policies.md',
    content: () => table(['Field', 'Meaning', 'Default', 'Limits'], policyRows()),
  },
};

/** Files that are made from the code as a whole. */
export const generatedFiles: Readonly<Record<string, () => string>> = {
  'docs/agent-protocol.schema.json': agentSchemas,
};

/** As a sender of each document reads it: what the API changes while it reads (a uuid's case) is not in it. */
function agentSchemas(): string {
  const $defs = Object.fromEntries(
    Object.entries(agentDocuments).map(([name, schema]) => {
      const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' });
      return [name, rest];
    }),
  );
  const document = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: "The agents' protocol",
    description: 'Made from the code by `npm run docs:generate`; agent-protocol.md says what each is for.',
    $defs,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** Replaces what stands between a section's markers. @throws Error when the markers are missing. */
export function withSection(text: string, name: string, content: string): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const start = text.indexOf(open);
  const end = text.indexOf(close);
  if (start < 0 || end < start) throw new Error(`the markers ${open} and ${close} are missing`);
  return `${text.slice(0, start + open.length)}\n\n${content}\n\n${text.slice(end)}`;
}

/** Settings that only say where the machine keeps things are everybody's, not Fleetwave's. */
const NOT_OURS = new Set(['PATH', 'XDG_CACHE_HOME']);

function configurationTable(): string {
  const rows = Object.entries(Settings.shape).filter(([key]) => !NOT_OURS.has(key));
  const defaults = Settings.parse({}) as Record<string, string | number | boolean | undefined>;
  const cells = rows.map(([key, setting]) => {
    const value = defaults[key];
    return [`\`${key}\``, value === undefined ? '' : `\`${String(value)}\``, setting.description ?? ''];
  });
  return table(['Variable', 'Default', 'Meaning'], cells);
}

function agentTable(): string {
  const cells = Object.entries(AgentSettings.shape).map(([key, setting]) => {
    // A default that is computed is another one on each machine; its description says what it is.
    const value = key === 'FLEETWAVE_AGENT_NAME' ? undefined : setting.safeParse(undefined).data;
    return [`\`${key}\``, value === undefined ? '' : `\`${String(value)}\``, setting.description ?? ''];
  });
  return table(['Variable', 'Default', 'Meaning'], cells);
}

function commandsTable(): string {
  const cell = (command: (typeof commands)[number], status: RolloutStatus): string => {
    const effect = commandEffect(command, status);
    return effect.applies ? effect.effect : `*nothing: ${effect.why}*`;
  };
  const meaning = table(
    ['Command', 'Meaning'],
    commands.map((command) => [`\`${command}\``, commandDescriptions[command]]),
  );
  const effects = table(
    ['', ...rolloutStatuses.map((status) => `\`${status}\``)],
    commands.map((command) => [`\`${command}\``, ...rolloutStatuses.map((status) => cell(command, status))]),
  );
  return `${meaning}\n\n${effects}`;
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
