import { Option, type Command } from 'commander';
import { apiAccess } from './access';
import { createApiClient, type ApiClient } from './api-client';
import { previewImage, type PreviewOptions } from './preview-command';
import type { Terminal } from './terminal';
import { triggerUpdate, type TriggerOptions } from './trigger-command';

/** What a push would do, and a push made by hand. */
export function addPushes(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const api = (): ApiClient => createApiClient(apiAccess(program.opts()));
  program.commandsGroup('Start a rollout:');
  program
    .command('preview')
    .description(
      'say what a push of an image would do now: policy, batches and their times, who is left out; changes nothing',
    )
    .summary('say what a push would do now, changing nothing')
    .argument('<image>', 'with its tag, such as redis:7.5-alpine')
    .option('--force', 'as for a new attempt, although this revision had a rollout or is held')
    .addOption(
      new Option('--as <whose>', 'whose push: fewer freezes bind one by hand (default webhook)').choices([
        'webhook',
        'manual',
      ]),
    )
    .option('--json', 'print JSON, with the ids of the devices')
    .action(async (image: string, given: PreviewOptions) => {
      await previewImage(api(), image, given, terminal);
    });
  program
    .command('trigger')
    .description('roll out an image and tag, as if its registry had announced it; exits 1 when that starts nothing')
    .summary('roll out an image and tag, as if its registry had announced it')
    .argument('<image>', 'with its tag, such as redis:7.5-alpine')
    .option(
      '--force',
      'make a new attempt although this revision had a rollout, and pass over a hold without lifting it',
    )
    .option('--plan-hash <hash>', 'of a preview: refused when the plan has changed since, and says by which devices')
    .option('--json', 'print JSON instead of sentences')
    .action(async (image: string, given: TriggerOptions) => {
      finish(await triggerUpdate(api(), image, given, terminal));
    });
}
