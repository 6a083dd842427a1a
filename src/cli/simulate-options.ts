import { InvalidArgumentError, type Command } from 'commander';
import { apiAccess } from './access';
import { createApiClient } from './api-client';
import { simulate, type SimulateOptions } from './simulate-command';
import type { Terminal } from './terminal';

const MOST_DEVICES = 100_000;
const MOST_SECONDS = 31_536_000;

export function addSimulate(program: Command, terminal: Terminal): void {
  program.commandsGroup('Try it:');
  program
    .command('simulate')
    .description(
      'play a fleet of simulated devices against the API, with behaviours by percentage; needs an admin token, and deletes its devices at the end',
    )
    .summary('play a fleet of simulated devices against the API')
    .option('--devices <number>', 'how many', wholeNumber(1, MOST_DEVICES), 100)
    .option('--profile <file>', 'how they behave, as JSON (docs/simulator.md); without it a bit of everything')
    .option('--seed <text>', 'the same seed makes the same devices do the same', 'fleetwave')
    .option('--fleet <id>', 'their fleet_id', 'simulated')
    .option('--poll-seconds <number>', 'between two polls of a device', wholeNumber(1, 86_400), 10)
    .option('--wait', 'long polls: devices hear of a new target at once')
    .option('--for <seconds>', 'end after so long; without it, with Ctrl-C', wholeNumber(1, MOST_SECONDS))
    .option('--keep', 'leave the devices at the API when it ends')
    .action(async (given: SimulateOptions) => {
      const access = apiAccess(program.opts());
      const abort = new AbortController();
      const onSignal = (): void => {
        abort.abort();
      };
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal);
      try {
        await simulate(createApiClient(access), access.url, given, terminal, abort.signal);
      } finally {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
      }
    });
}

function wholeNumber(from: number, to: number): (given: string) => number {
  return (given) => {
    const number = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
    if (!(number >= from && number <= to))
      throw new InvalidArgumentError(`It is a whole number from ${from} to ${to}.`);
    return number;
  };
}
