import { InvalidArgumentError, type Command } from 'commander';
import { commandDescriptions, commands, type Command as RolloutCommand } from '../domain/commands';
import { apiAccess } from './access';
import { createApiClient, type ApiClient } from './api-client';
import { commandRollout, UUID } from './rollout-commands';
import type { Terminal } from './terminal';

const SENTENCE_END = /\.$/;

/** In the terminal's own words, where the table speaks of JSON or of a running rollout only. */
const descriptions: Readonly<Partial<Record<RolloutCommand, string>>> = {
  rollback: `${commandDescriptions.rollback} After its end, too; with --device that device alone.`,
  advance: "End the current batch's delay or soak and go on; with --all the batches that are left become one.",
  exclude: 'Leave devices out; those already told are put back on their previous image.',
};

interface Given {
  reason?: string;
  planHash?: string;
  all?: boolean;
  device?: string;
}

export function addRolloutCommands(program: Command, terminal: Terminal): void {
  const api = (): ApiClient => createApiClient(apiAccess(program.opts()));
  program.commandsGroup('Command a rollout (the same as the signals in the Temporal UI):');
  for (const name of commands) {
    const description = descriptions[name] ?? commandDescriptions[name];
    const command = program
      .command(name)
      .description(description)
      .summary(description.replace(SENTENCE_END, ''))
      .argument('<id>', "the rollout's id, or `latest`")
      .option('--reason <text>', "kept in the rollout's events");
    if (name === 'exclude') {
      command
        .argument('<uuid...>', 'the devices, at most 500', uuids)
        .action(async (id: string, devices: string[], given: Given) => {
          await commandRollout(api(), name, id, { ...reasonOf(given), devices }, terminal);
        });
      continue;
    }
    if (name === 'approve') command.option('--plan-hash <hash>', 'of a preview: refused when the plan is another');
    if (name === 'advance') command.option('--all', 'make the batches that are left one');
    if (name === 'rollback') command.option('--device <uuid>', 'put this device back alone', uuid);
    command.action(async (id: string, { all, device, planHash, ...given }: Given) => {
      const more = {
        ...(all === true ? { to: 'all' as const } : {}),
        ...(device === undefined ? {} : { device }),
        ...(planHash === undefined ? {} : { plan_hash: planHash }),
      };
      await commandRollout(api(), name, id, { ...reasonOf(given), ...more }, terminal);
    });
  }
}

function reasonOf({ reason }: Given): { reason?: string } {
  return reason === undefined ? {} : { reason };
}

/** Checked here: a typing mistake is wrong usage, not a refusal. */
function uuid(given: string): string {
  if (!UUID.test(given)) throw new InvalidArgumentError("It is not a device's uuid.");
  return given;
}

function uuids(given: string, before: string[] = []): string[] {
  return [...before, uuid(given)];
}
