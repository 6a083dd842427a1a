import type { Command } from 'commander';
import { runPart } from './run-part';

interface RepairOptions {
  apply?: boolean;
  restored?: boolean;
  json?: boolean;
}

const HELP = `
It works on PostgreSQL and Temporal themselves, so it needs DATABASE_URL and TEMPORAL_ADDRESS, and no API that runs. It may run
while API and worker do, and be run again. docs/backup.md says what to do after which loss.

Exit codes:
  0  nothing to repair, or all of it done; without --apply also where something was found
  1  something could not be done, or a server cannot be reached`;

/** After a restored backup, or the loss of Temporal's store. */
export function addRepair(program: Command, finish: (code: number) => void): void {
  program
    .command('repair')
    .description(
      'after PostgreSQL was restored or Temporal has lost its store: say which rollouts and workflows do not fit, and with --apply mend them',
    )
    .summary('find what a restored database or a lost Temporal store left behind, and mend it')
    .option('--apply', 'do it; without it nothing is changed')
    .option(
      '--restored',
      'PostgreSQL was restored: have every agent fetch its target once, even where no rollout shows it',
    )
    .option('--json', 'print JSON instead of text')
    .addHelpText('after', HELP)
    .action(async ({ apply, restored, json }: RepairOptions) => {
      const given = { apply, restored, json };
      const args = Object.entries(given).flatMap(([name, on]) => (on === true ? [`--${name}`] : []));
      finish(await runPart('repair', args));
    });
}
