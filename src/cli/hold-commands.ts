import type { Command } from 'commander';
import { familiarName } from '../domain/image-reference';
import { apiAccess } from './access';
import { HoldList } from './answers';
import { createApiClient, type ApiClient } from './api-client';
import { requireId } from './rollout-commands';
import { drawTable } from './table';
import type { Terminal } from './terminal';

interface HoldListOptions {
  limit?: string;
  json?: boolean;
}

export function addHolds(program: Command, terminal: Terminal): void {
  const api = (): ApiClient => createApiClient(apiAccess(program.opts()));
  program.commandsGroup('Holds, which a rollback leaves on a release:');
  program
    .command('holds')
    .description('list the revisions that may not be rolled out again until their hold is lifted, newest first')
    .summary('list what may not be rolled out again')
    .option('--limit <number>', 'at most so many (default 50)')
    .option('--json', 'print JSON instead of a table')
    .action(async (given: HoldListOptions) => {
      await listHolds(api(), given, terminal);
    });
  program
    .command('lift-hold')
    .description('lift a hold: the next push of the tag, or `fleetwave trigger`, starts a rollout again')
    .summary('lift a hold, so that the next push starts a rollout again')
    .argument('<id>', "the hold's id")
    .action(async (id: string) => {
      requireId(id, 'hold', 'holds');
      await api().delete(`/holds/${id}`);
      terminal.write(`${id} is lifted; \`fleetwave trigger <image:tag>\` starts it again\n`);
    });
}

async function listHolds(api: ApiClient, options: HoldListOptions, terminal: Terminal): Promise<void> {
  const query = new URLSearchParams(options.limit === undefined ? {} : { limit: options.limit });
  const { holds, next_cursor } = await api.get(`/holds?${query.toString()}`, HoldList);
  if (options.json === true) {
    terminal.write(`${JSON.stringify(holds, undefined, 2)}\n`);
    return;
  }
  if (holds.length === 0) {
    terminal.say('Nothing is held back.\n');
    return;
  }
  const rows = holds.map((hold) => [
    hold.id,
    `${familiarName(hold.image)}:${hold.tag}`,
    hold.created_at.slice(0, 19).replace('T', ' '),
    hold.rollout_id ?? '',
    hold.reason,
  ]);
  terminal.write(drawTable(['ID', 'IMAGE', 'SINCE', 'ROLLOUT', 'REASON'], rows));
  if (next_cursor) terminal.say('There are more; raise --limit.\n');
}
