import { InvalidArgumentError, type Command } from 'commander';
import { apiAccess } from './access';
import { createApiClient, type ApiClient } from './api-client';
import { freeze, listFreezes, unfreeze, type FreezeListOptions, type FreezeOptions } from './freeze-commands';
import { readMoment } from './moment';
import type { Terminal } from './terminal';

export function addFreezes(program: Command, terminal: Terminal): void {
  const api = (): ApiClient => createApiClient(apiAccess(program.opts()));
  program.commandsGroup('Freeze rollouts:');
  program
    .command('freeze')
    .description(
      'keep rollouts from telling further devices for a time; what was told goes on, and rollbacks are never kept back',
    )
    .summary('keep rollouts from telling further devices for a time')
    .requiredOption('--until <time>', 'its end: 2026-12-27T06:00Z, or from now 90m, 12h, 3d, 2w', moment)
    .requiredOption('--reason <text>', 'shown wherever a rollout says that it waits')
    .option('--from <time>', 'its start (default now)', moment)
    .option('--image <pattern>', "only this image, as in a policy's pattern: redis:*")
    .option('--fleet <id>', 'only the devices of this fleet')
    .option('--all', 'bind rollouts that a person asked for, too')
    .action(async (given: FreezeOptions) => {
      await freeze(api(), given, terminal);
    });
  program
    .command('freezes')
    .description('list the freezes that stand or are to come')
    .option('--all', 'those that have ended or were lifted, too')
    .option('--limit <number>', 'at most so many (default 50)')
    .option('--json', 'print JSON instead of a table')
    .action(async (given: FreezeListOptions) => {
      await listFreezes(api(), given, terminal);
    });
  program
    .command('unfreeze')
    .description('lift a freeze before its end; the rollouts that wait for it go on at once')
    .summary('lift a freeze before its end')
    .argument('<id>', "the freeze's id")
    .action(async (id: string) => {
      await unfreeze(api(), id, terminal);
    });
}

function moment(given: string): string {
  const read = readMoment(given, new Date());
  if (read === null)
    throw new InvalidArgumentError(
      'It is a time with its zone (2026-12-27T06:00Z, 2026-12-27T06:00+01:00) or 90m, 12h, 3d, 2w.',
    );
  return read;
}
