import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { builtFile } from '../../src/dev/fleetwave-process';
import { removeDirectory } from '../support/remove-directory';

/** The demo as a user runs it: the built command in a process of its own, with a temporary directory of its own. */
let directory: string;
let demo: ChildProcess | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'demo-test-'));
});

afterEach(async () => {
  demo?.kill('SIGKILL');
  await removeDirectory(directory);
});

function startDemo(): { output: () => string; ended: Promise<number | null>; says: (text: string) => Promise<void> } {
  const child = spawn(process.execPath, [builtFile('cli', 'main.js'), 'demo'], {
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  demo = child;
  let output = '';
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      for (const listener of listeners) listener();
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const says = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (output.includes(text)) resolve();
      };
      listeners.add(look);
      look();
      void ended.then(() => {
        reject(new Error(`the demo ended without saying "${text}":\n${output}`));
      });
    });
  return { output: () => output, ended, says };
}

/** Command lines of living processes that work in the demo's directory. */
function leftRunning(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    })
    .filter((command) => command.includes(directory));
}

/** Where root's PostgreSQL keeps its data for a directory that only root can enter; as another user there is none. */
function clustersElsewhere(): string[] {
  return readdirSync('/var/tmp').filter((name) => {
    const kept = join('/var/tmp', name, 'data-directory');
    return name.startsWith('fleetwave-data-') && existsSync(kept) && readFileSync(kept, 'utf8').startsWith(directory);
  });
}

test('the demo rolls a good release out, a bad one back, proves both from the database, ends with 0 and leaves nothing', async () => {
  const run = startDemo();
  const code = await run.ended;
  const output = run.output();
  expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
  for (const line of [
    'Temporal UI',
    '/docs',
    'batch 3/3 passed: 100 healthy (of 100)',
    'rolled back',
    'The webhook\'s outcome is "held"',
    'All 12 claims hold.',
  ]) {
    expect(output).toContain(line);
  }
  const proof = output.split('\n').filter((line) => / \d+ +\d+ +(ok|NOT SO)$/.test(line.trimEnd()));
  expect(proof).toHaveLength(12);
  expect(proof.filter((line) => !line.trimEnd().endsWith('ok'))).toEqual([]);
  expect(leftRunning()).toEqual([]);
  expect(readdirSync(directory)).toEqual([]);
  expect(clustersElsewhere()).toEqual([]);
});

test('Ctrl-C in the middle stops everything it started', async () => {
  const run = startDemo();
  await run.says('batch 1/3 in progress');
  expect(leftRunning()).not.toEqual([]);
  expect(clustersElsewhere()).toHaveLength(process.getuid?.() === 0 ? 1 : 0);
  demo?.kill('SIGINT');
  expect(await run.ended).toBe(130);
  expect(leftRunning()).toEqual([]);
  expect(readdirSync(directory)).toEqual([]);
  expect(clustersElsewhere()).toEqual([]);
});
