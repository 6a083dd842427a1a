import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { builtFile } from '../../src/dev/fleetwave-process';
import { startApiRig, type ApiRig } from '../api/api-rig';
import { appWith } from '../support/fleet-fixture';
import { until } from '../support/outage';
import { holdRows } from '../support/row-lock';

const MIGRATIONS = resolve(__dirname, '..', '..', 'migrations');
const AGENTS = 20;

/** What a later release may bring: a change to each table that polls and reports use, each of which locks it as a whole. */
const NEXT = {
  '9001_devices_model.sql':
    'alter table devices add column model text; create index devices_by_model on devices (model);',
  '9002_target_note.sql': `alter table device_target_state add column note text not null default '';
    alter table device_target_state add constraint device_target_state_note check (length(note) < 100);`,
  '9003_current_note.sql': 'alter table device_current_state add column note text; analyze device_current_state;',
};

let rig: ApiRig;
let directory: string;
let fleet: { uuid: string; key: string }[];
let statuses: Map<number, number>;
let hurried: number;
let stopAgents: () => Promise<void>;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'fleetwave-migrations-'));
  for (const name of readdirSync(MIGRATIONS)) copyFileSync(join(MIGRATIONS, name), join(directory, name));
  for (const [name, sql] of Object.entries(NEXT)) writeFileSync(join(directory, name), sql);
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  rig = await startApiRig();
  fleet = [];
  for (let index = 0; index < AGENTS; index += 1)
    fleet.push(await rig.device({ target_state: { apps: appWith('redis:1') } }));
  startAgents();
});
afterEach(async () => {
  await stopAgents();
  await rig.close();
});

/** Each polls and reports as fast as it is answered. */
function startAgents(): void {
  statuses = new Map();
  hurried = 0;
  let stopped = false;
  const note = async (method: string, path: string, key: string, body?: object): Promise<void> => {
    const { status, headers } = await rig.call(method, path, { key, ...(body === undefined ? {} : { body }) });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    if (status === 503 && headers.get('retry-after') === null) hurried += 1;
  };
  const agents = fleet.map(async ({ uuid, key }) => {
    while (!stopped) {
      await note('GET', `/api/v1/device/${uuid}/state`, key);
      await note('PATCH', '/api/v1/device/state', key, { [uuid]: { apps: {}, uptime: 1 } });
    }
  });
  stopAgents = async () => {
    stopped = true;
    await Promise.all(agents);
  };
}

/** In a process of its own, as `fleetwave migrate` is: the names that were applied, and what it says meanwhile. */
function migrate(): { said: string[]; applied: Promise<string[]> } {
  const said: string[] = [];
  const program = `require(process.argv[1]).migrate(process.argv[2], { directory: process.argv[3], log: (said) => console.error(said) })
    .then((names) => console.log(names.join('\\n')));`;
  const child = spawn(process.execPath, ['-e', program, builtFile('db', 'migrate.js'), rig.database.url, directory]);
  let names = '';
  child.stdout.on('data', (data: Buffer) => {
    names += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    said.push(data.toString().trim());
  });
  const applied = new Promise<string[]>((done) => {
    child.once('close', () => {
      done(names.trim().split('\n'));
    });
  });
  return { said, applied };
}

const answered = (): number => statuses.get(200) ?? 0;
const answeredMore = (than: number): Promise<void> =>
  until(() => Promise.resolve(answered() > than + 10 * AGENTS), 60_000);
const notInOrder = (): number[] => [...statuses.keys()].filter((status) => status !== 200 && status !== 503);

test('a migration runs while agents poll and report: none gets an error, but at most 503 with Retry-After', async () => {
  await answeredMore(0);
  expect(await migrate().applied).toEqual(Object.keys(NEXT).map((name) => name.slice(0, -'.sql'.length)));
  await answeredMore(answered());
  expect([notInOrder(), hurried]).toEqual([[], 0]);
});

test('a migration does not hold polls up behind a long transaction: it gives way, and is applied when that has ended', async () => {
  const long = await holdRows(rig.database.url, 'select uuid from devices', []);
  const { said, applied } = migrate();
  await until(() => Promise.resolve(said.length > 0), 60_000);
  // The transaction is still open.
  await answeredMore(answered());
  expect(said).toEqual(['a table is in use by a long transaction: trying again until it is free']);
  await long.release();
  expect(await applied).toHaveLength(3);
  expect([notInOrder(), hurried]).toEqual([[], 0]);
});
