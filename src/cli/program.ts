import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { rolloutStatuses } from '../domain/rollout-states';
import { apiAccess } from './access';
import { createApiClient, type ApiClient } from './api-client';
import { decideApproval, listApprovals, type ApprovalListOptions } from './approval-commands';
import { CliError, exitCodes } from './cli-error';
import { addRolloutCommands } from './command-options';
import { addWebhook } from './explain-command';
import { addFreezes } from './freeze-options';
import { addHolds } from './hold-commands';
import { describeImages } from './image-command';
import { addPushes } from './push-options';
import { addRepair } from './repair-options';
import { listRollouts, showRollout, type ListOptions, type ShowOptions } from './rollout-commands';
import { runPart, type Part } from './run-part';
import { addSimulate } from './simulate-options';
import type { Terminal } from './terminal';

export interface ProgramOptions {
  terminal: Terminal;
  input: AsyncIterable<Buffer | string>;
  version: string;
}

const partDescriptions: Readonly<Record<Exclude<Part, 'repair'>, string>> = {
  start: 'run everything on this machine: PostgreSQL, Temporal and its UI, migrations, API, worker',
  demo: 'watch a good and a bad release go to a simulated fleet of 200 devices; leaves nothing behind',
  migrate: 'bring the database schema up to date, then end',
  api: 'run the HTTP API',
  worker: 'run the Temporal worker',
  agent: "run the agent on a device: it brings the device's containers to their target state",
};

const partSettings: Readonly<Record<Exclude<Part, 'repair'>, string>> = {
  start: 'The README lists the environment variables it heeds, such as PORT and FLEETWAVE_DATA_DIR.',
  demo: 'It uses free ports and a temporary directory, whatever the environment says.',
  migrate: 'It needs DATABASE_URL.',
  api: 'It needs DATABASE_URL and TEMPORAL_ADDRESS; the README lists the other environment variables it heeds.',
  agent:
    'It needs FLEETWAVE_URL, a container engine, and FLEETWAVE_AGENT_PROVISIONING_KEY at its first start; docs/agent.md lists the rest.',
  worker: 'It needs DATABASE_URL and TEMPORAL_ADDRESS; the README lists the other environment variables it heeds.',
};

const HELP_TEXT = `
Examples:
  $ fleetwave demo                              see what it does, in a minute
  $ fleetwave start                             run it here; then, in another terminal:
  $ fleetwave rollouts --status in_progress     what is going on
  $ fleetwave rollout latest --watch            the newest rollout, live
  $ fleetwave preview redis:7.5-alpine          what a push would do; then, as it was shown:
  $ fleetwave trigger redis:7.5-alpine --plan-hash <hash>
  $ fleetwave pause latest --reason "looks odd"
  $ fleetwave rollback latest                   also after it has ended
  $ fleetwave simulate --devices 500            a fleet to try it with; Ctrl-C takes it away again
  $ fleetwave image redis:7 ghcr.io/acme/app@sha256:…

Exit codes:
  0  done
  1  refused, invalid or not reachable; stderr says why and what to do
  2  wrong usage
  3  rollout --watch: it ended, but not as completed
  api, worker, agent, migrate, repair, start and demo end with their own; 128 + n after signal n.`;

/** Parses and runs one command line; answers the exit code and never throws for what a user can cause. */
export async function runCommandLine(args: readonly string[], options: ProgramOptions): Promise<number> {
  const { terminal } = options;
  const program = new Command('fleetwave');
  let exitCode: number = exitCodes.done;
  const finish = (code: number): void => {
    exitCode = code;
  };
  program
    .description(
      'Moves a container image safely across a fleet of devices: batch by batch, proven healthy or put back.',
    )
    .version(options.version, '-V, --version', 'print the version')
    .option(
      '--url <address>',
      "where the HTTP API is (FLEETWAVE_URL; default: this directory's embedded stack, else http://127.0.0.1:4002)",
    )
    .option(
      '--token <token>',
      "operator token (FLEETWAVE_TOKEN; default: the token of this directory's embedded stack)",
    )
    .configureOutput({ writeOut: (text) => terminal.write(text), writeErr: (text) => terminal.say(text) })
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText('after', HELP_TEXT);

  addParts(program, finish);
  addSimulate(program, terminal);
  addImage(program, options, finish);
  addWebhook(program, terminal, finish);
  addRollouts(program, terminal, finish);
  addPushes(program, terminal, finish);
  addRolloutCommands(program, terminal);
  addHolds(program, terminal);
  addApprovals(program, terminal);
  addFreezes(program, terminal);
  pointToHelp(program, 'fleetwave');
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has printed what it had to say; help and version come this way too, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    if (!(error instanceof CliError)) throw error;
    terminal.say(`${terminal.colors.red('error:')} ${error.message}\n`);
    return error.exitCode;
  }
}

/** Once all commands are there: what a command inherits at its making would name the help of the one above it. */
function pointToHelp(command: Command, line: string): void {
  command.showHelpAfterError(`Run \`${line} --help\` to see what there is.`);
  for (const nested of command.commands) pointToHelp(nested, `${line} ${nested.name()}`);
}

function addParts(program: Command, finish: (code: number) => void): void {
  program.commandsGroup('Run it:');
  for (const part of Object.keys(partDescriptions) as Exclude<Part, 'repair'>[]) {
    program
      .command(part)
      .description(partDescriptions[part])
      .summary(partDescriptions[part])
      .addHelpText(
        'after',
        `\nRuns in the foreground until it is done or gets SIGINT (Ctrl-C) or SIGTERM. ${partSettings[part]}`,
      )
      .action(async () => {
        finish(await runPart(part, []));
      });
  }
  addRepair(program, finish);
}

function addRollouts(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const api = (): ApiClient => createApiClient(apiAccess(program.opts()));
  program.commandsGroup('Look at rollouts:');
  program
    .command('rollouts')
    .description('list the rollouts, newest first')
    .addOption(new Option('--status <status>', 'only those in this state').choices(rolloutStatuses))
    .option('--image <reference>', 'only those of this image')
    .option('--limit <number>', 'at most so many, 1 to 500 (default 50)', listLimit)
    .option('--json', 'print JSON instead of a table')
    .action(async (given: ListOptions) => {
      await listRollouts(api(), given, terminal);
    });
  program
    .command('rollout')
    .description(
      'show a rollout: its batches, what it waits for and until when, which rule fires next, what you can do',
    )
    .summary('show one rollout, live with --watch')
    .argument('<id>', 'its id, or `latest`')
    .option('-w, --watch', 'go on showing it until it has ended; exits 3 when it did not complete')
    .option('--json', 'print JSON; with --watch once, when it has ended')
    .action(async (id: string, given: ShowOptions) => {
      finish(await showRollout(api(), id, given, terminal));
    });
}

/** Checked here: the API's answer speaks of a query that nobody at a terminal has written. */
function listLimit(given: string): string {
  if (!/^\d{1,3}$/.test(given) || Number(given) < 1 || Number(given) > 500)
    throw new InvalidArgumentError('It is a whole number from 1 to 500.');
  return given;
}

function addApprovals(program: Command, terminal: Terminal): void {
  const api = (): ApiClient => createApiClient(apiAccess(program.opts()));
  program.commandsGroup('Approve images:');
  program
    .command('approvals')
    .description('list the requests to approve an image, newest first')
    .addOption(
      new Option('--status <status>', 'those in this state (default pending)').choices([
        'pending',
        'approved',
        'rejected',
        'expired',
      ]),
    )
    .option('--limit <number>', 'at most so many (default 50)')
    .option('--json', 'print JSON instead of a table')
    .action(async (given: ApprovalListOptions) => {
      await listApprovals(api(), given, terminal);
    });
  const decisions = {
    approve: 'approve the image with its digest, and start the push that waits for it',
    reject: 'keep the image out; pushes of it stay refused, with the reason',
  } as const;
  for (const decision of ['approve', 'reject'] as const) {
    program
      .command(`${decision}-image`)
      .description(decisions[decision])
      .argument('<id>', "the request's id")
      .option('--reason <text>', 'kept with the request')
      .action(async (id: string, given: { reason?: string }) => {
        await decideApproval(api(), decision, id, given.reason, terminal);
      });
  }
}

function addImage(program: Command, options: ProgramOptions, finish: (code: number) => void): void {
  program.commandsGroup('Look something up:').helpCommand('help [command]', 'say more about a command');
  program
    .command('image')
    .description(
      'say what image references mean: one JSON line each, {input, valid, registry, repository, tag, digest, error}',
    )
    .summary('say what image references mean, as JSON lines')
    .argument(
      '<reference...>',
      'such as redis:7 or registry.acme.io:5000/app@sha256:…; `-` reads them from stdin, one a line',
    )
    .option(
      '--check',
      'exit 1 if any is invalid; without it an invalid reference is an answer like any other, and the exit code is 0',
    )
    .action(async (references: string[], given: { check?: boolean }) => {
      finish(await describeImages(references, given, options.input, options.terminal));
    });
}
