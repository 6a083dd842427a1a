import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import type { Pool } from 'pg';
import { z } from 'zod';
import { startFleet, type Fleet } from '../../src/agent/simulator/fleet';
import { createApiClient, type ApiClient } from '../../src/cli/api-client';
import { createPool } from '../../src/db/pool';
import { demoConfig, demoEnvironment } from '../../src/dev/demo-setup';
import { removePlaceOf } from '../../src/dev/postgres-place';
import { silentProgress } from '../../src/dev/progress';
import { startStack, type Stack } from '../../src/dev/stack';
import { waitFor } from '../../src/dev/wait-for';
import { openBrowser, type TestBrowser } from '../support/browser';
import { removeDirectory } from '../support/remove-directory';
import { TemporalPages } from '../support/temporal-pages';

/** What an operator does with nothing but the Temporal UI, in a real browser on the real thing. */

const WORKFLOW_ID = 'rollout:docker.io/library/redis:7.5-alpine';
const DEVICES = 20;
/** Long enough to find the rollout, read it and send the pause before the next batch, on a machine that does other things too. */
const BATCH_DELAY_SECONDS = 120;

const directory = mkdtempSync(join(tmpdir(), 'fleetwave-ui-'));
let stack: Stack;
let api: ApiClient;
let pool: Pool;
let browser: TestBrowser;
let ui: TemporalPages;
/** What was started, to be ended in the opposite order, also when the rest could not be started. */
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  browser = await openBrowser('temporal-ui');
  cleanups.push(() => browser.close());
  stack = await startStack({ config: demoConfig(directory), progress: silentProgress, env: demoEnvironment });
  cleanups.push(() => stack.stop());
  api = createApiClient({ url: stack.apiUrl, token: stack.adminToken });
  pool = createPool({ url: stack.databaseUrl, size: 2, applicationName: 'fleetwave-ui-test' });
  cleanups.push(() => pool.end());
  ui = new TemporalPages(browser.page, stack.temporalUiUrl);
  await createPolicy();
  const fleet = await createFleet();
  cleanups.push(() => fleet.stop());
});

afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  removePlaceOf(directory);
  await removeDirectory(directory);
});

async function createPolicy(): Promise<void> {
  const policy = {
    image_pattern: '*:*',
    update_strategy: 'staged',
    batches: [{ percent: 10 }, { percent: 100 }],
    batch_delay_seconds: BATCH_DELAY_SECONDS,
    health: { timeout_seconds: 120, soak_seconds: 2, checks: [{ kind: 'container_running' }] },
  };
  await api.post('/image-policies', policy, z.unknown());
}

async function createFleet(): Promise<Fleet> {
  const services = [{ serviceId: 1, serviceName: 'cache', imageName: 'redis:7.2', config: { ports: ['6379:6379'] } }];
  const devices = Array.from({ length: DEVICES }, (_, index) => ({
    name: `shelf-${index + 1}`,
    fleet_id: 'shops',
    target_state: { apps: { '1002': { appId: 1002, appName: 'edge', services } } },
  }));
  const Created = z.object({ devices: z.array(z.object({ uuid: z.string(), api_key: z.string() })) });
  const created = await api.post('/devices', { devices }, Created);
  return startFleet({
    apiUrl: stack.apiUrl,
    devices: created.devices.map(({ uuid, api_key }) => ({ uuid, apiKey: api_key })),
    seed: 'temporal-ui',
    behaviourOf: () => 'healthy',
    pollIntervalMs: 1000,
    reportIntervalMs: 3000,
  });
}

const Pushed = z.object({ outcome: z.string(), rollout_id: z.string() });

async function push(repository: string, tag: string): Promise<string> {
  const body = { repository: { repo_name: repository }, push_data: { tag, pushed_at: Math.floor(Date.now() / 1000) } };
  const pushed = await api.post('/webhooks/docker-registry', body, Pushed);
  expect(pushed.outcome).toBe('started');
  return pushed.rollout_id;
}

/** How often the target of each device was written, in an order that does not change. */
async function targetVersions(): Promise<number[]> {
  const { rows } = await pool.query<{ version: number }>(
    'select version from device_target_state order by device_uuid',
  );
  return rows.map(({ version }) => version);
}

const written = (versions: number[], before: number[]): number =>
  versions.filter((version, index) => version !== before[index]).length;

const Status = z.object({
  status: z.string(),
  waiting_for: z.string().nullable(),
  since: z.string().nullable(),
  commands: z.array(z.string()),
});

async function eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  return waitFor(what, ask, { limitMs: 200_000, signal: AbortSignal.timeout(600_000), intervalMs: 250 });
}

/** The current details as text, once they say what is expected: the UI asks for them anew when R is pressed. */
async function detailsSaying(text: string): Promise<string> {
  return eventually(`"${text}" in the current details`, async () => {
    const details = await ui.rendered('Current Details').innerText();
    if (details.includes(text)) return details;
    await ui.refresh();
    return undefined;
  });
}

test('an operator finds a rollout in the Temporal UI, reads it, pauses it with an empty input, resumes it, and it completes', async () => {
  const before = await targetVersions();
  const other = await push('acme/nothing-runs-this', '1.0');
  const rolloutId = await push('redis', '7.5-alpine');
  const status = () => api.get(`/rollouts/${rolloutId}/status`, Status);
  await eventually('the delay after batch 1', async () =>
    (await status()).waiting_for === 'the delay before batch 2' ? true : undefined,
  );
  await eventually('the end of the other rollout', async () =>
    (await api.get(`/rollouts/${other}`, z.object({ status: z.string() }))).status === 'completed' ? true : undefined,
  );

  // Found in the list, among others, by what it is about.
  await ui.openList();
  await expectListed(2);
  await browser.photograph('list-of-all');
  await ui.filter('FleetwaveImage = "docker.io/library/redis" AND FleetwaveStatus = "in_progress"');
  await expectListed(1);
  await browser.photograph('list-found');
  await ui.listed().click();

  // The timeline reads as sentences.
  const sentences = [
    'find the devices that run docker.io/library/redis',
    'batch 1: write the target state of its devices',
    'wait for health of 2 devices',
    'batch 1: count its devices',
    'batch 1 passed: 2 of 2 healthy',
    'wait for the delay before batch 2',
  ];
  for (const sentence of sentences) await browser.page.getByText(sentence).first().waitFor();
  await browser.photograph('timeline');

  // The details say where it stands, what it waits for and what can be sent.
  await ui.openTab('User Metadata');
  expect(await ui.rendered('Summary').innerText()).toContain(
    'docker.io/library/redis:7.5-alpine, staged, from webhook',
  );
  expect(await ui.rendered('Details').innerText()).toContain(rolloutId);
  const running = await detailsSaying('waits for: the delay before batch 2');
  expect(running).toContain('In progress, batch 1 of 2: 2 of 20 devices healthy');
  expect(running).toMatch(/waits for: the delay before batch 2, since \S+ UTC \S+, until \S+/);
  expect(running).toContain('you can send: pause, cancel, rollback, advance');
  await browser.photograph('details-in-progress');

  // Pause, chosen by its description, with an empty input.
  let dialog = await ui.openSignalDialog();
  await browser.photograph('signal-list');
  await dialog.getByRole('option', { name: 'pause Write no further target state' }).click();
  expect(await dialog.getByRole('textbox').last().innerText()).toBe('\n');
  await browser.photograph('signal-pause');
  await ui.submit(dialog);
  const paused = await eventually('the pause', async () => {
    const now = await status();
    return now.status === 'paused' ? now : undefined;
  });
  const atPause = await targetVersions();
  expect(written(atPause, before)).toBe(2);
  expect(paused.commands).toEqual(['resume', 'cancel', 'rollback', 'retry', 'exclude']);
  const details = await detailsSaying('Paused, batch 1 of 2');
  expect(details).toContain('waits for: resume (then: the delay before batch 2)');
  expect(details).toContain('you can send: resume, cancel, rollback');
  expect(details).toContain('pause (temporal): no further device is told; devices already told go on');
  await browser.photograph('details-paused');

  // A name that nobody knows changes nothing, and says so. Its markup stays text.
  for (const name of ['Pause', '<b>stop</b>']) {
    dialog = await ui.openSignalDialog();
    await dialog.getByRole('option', { name: 'Custom' }).click();
    await dialog.getByTestId('signal-name').fill(name);
    if (name === 'Pause') await browser.photograph('signal-unknown');
    await ui.submit(dialog);
  }
  const unknown = await detailsSaying('<b>stop</b>');
  expect(unknown).toMatch(/unknown signal .Pause. changes nothing; did you mean .pause.\?/);
  expect(unknown).toContain('Paused, batch 1 of 2');
  await browser.photograph('details-unknown-signal');

  // For longer than the delay nobody is told anything.
  const pausedUntil = Date.parse(paused.since ?? '') + (BATCH_DELAY_SECONDS + 3) * 1000;
  await eventually('the time at which the next batch would have started', () =>
    Promise.resolve(Date.now() > pausedUntil ? true : undefined),
  );
  expect((await status()).status).toBe('paused');
  expect(await targetVersions()).toEqual(atPause);

  dialog = await ui.openSignalDialog();
  await dialog.getByRole('option', { name: 'resume Go on after a pause' }).click();
  await ui.submit(dialog);
  await detailsSaying('resume (temporal): goes on where it was paused');
  await browser.photograph('details-resumed');
  await eventually('the end of the rollout', async () => ((await status()).status === 'completed' ? true : undefined));

  expect(written(await targetVersions(), before)).toBe(DEVICES);
  const ended = await detailsSaying('Completed, batch 2 of 2: 20 of 20 devices healthy');
  expect(ended).toContain('because: 20 of 20 healthy');
  expect(ended).toContain('you can send: nothing any more');
  await browser.page.reload();
  await detailsSaying('Completed');
  await browser.photograph('details-completed');
  await ui.openTab('History');
  await browser.page.getByText('completed: 20 of 20 healthy').first().waitFor();
  await browser.photograph('timeline-completed');
  expect(browser.page.url()).toContain(encodeURIComponent(WORKFLOW_ID));
  expect(await signalsSent()).toEqual([
    { name: 'pause', payloads: 0 },
    { name: 'Pause', payloads: 0 },
    { name: '<b>stop</b>', payloads: 0 },
    { name: 'resume', payloads: 0 },
  ]);
});

/** The operator's signals as the server has them, Fleetwave's own left out. */
async function signalsSent(): Promise<{ name: string; payloads: number }[]> {
  const connection = await Connection.connect({ address: stack.temporalAddress });
  const history = await new Client({ connection }).workflow.getHandle(WORKFLOW_ID).fetchHistory();
  await connection.close();
  return (history.events ?? [])
    .flatMap(({ workflowExecutionSignaledEventAttributes: signal }) => (signal == null ? [] : [signal]))
    .map(({ signalName, input }) => ({ name: signalName ?? '', payloads: input?.payloads?.length ?? 0 }))
    .filter(({ name }) => name !== 'health');
}

async function expectListed(rollouts: number): Promise<void> {
  await eventually(`${rollouts} rollouts in the list`, async () => {
    const ids = await ui.listed().allInnerTexts();
    return ids.length === rollouts && ids.some((id) => id.trim() === WORKFLOW_ID) ? true : undefined;
  });
}
