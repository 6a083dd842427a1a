import { describe, expect, test } from '@jest/globals';
import { runCommandLine } from '../../../src/cli/program';
import { capturedTerminal } from './captured-terminal';

async function run(args: string[], input: string[] = []): Promise<{ code: number; out: string; err: string }> {
  const terminal = capturedTerminal();
  async function* stdin(): AsyncGenerator<string> {
    for (const chunk of input) yield await Promise.resolve(chunk);
  }
  const code = await runCommandLine(args, { terminal, input: stdin(), version: '1.2.3' });
  return { code, out: terminal.out, err: terminal.err };
}

const lines = (out: string) =>
  out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('fleetwave image', () => {
  test('prints one JSON line a reference, in order', async () => {
    const { code, out } = await run(['image', 'redis', 'registry.acme.io:5000/app:1.2', 'acme/UPPER']);
    expect(code).toBe(0);
    const [redis, app, upper] = lines(out);
    expect(redis).toEqual({
      input: 'redis',
      valid: true,
      registry: 'docker.io',
      repository: 'library/redis',
      tag: null,
      digest: null,
      error: null,
    });
    expect(app).toMatchObject({ registry: 'registry.acme.io:5000', repository: 'app', tag: '1.2' });
    expect(upper).toMatchObject({ input: 'acme/UPPER', valid: false, registry: null, repository: null });
    expect(upper?.['error']).toContain('lower case');
  });

  test('reads references from stdin for `-`, however the pipe cuts them', async () => {
    const { out } = await run(['image', '-', 'busybox'], ['red', 'is:7\n\nngi', 'nx:1\r\nalpine']);
    expect(lines(out).map(({ input }) => input)).toEqual(['redis:7', 'nginx:1', 'alpine', 'busybox']);
  });

  test('an invalid reference is an answer: exit code 0, and 1 only with --check', async () => {
    expect((await run(['image', 'UPPER'])).code).toBe(0);
    expect((await run(['image', '--check', 'UPPER'])).code).toBe(1);
    expect((await run(['image', '--check', 'redis'])).code).toBe(0);
  });
});

describe('the command line', () => {
  test('--help names every command and the exit codes', async () => {
    const { code, out } = await run(['--help']);
    expect(code).toBe(0);
    for (const name of [
      'api',
      'worker',
      'migrate',
      'start',
      'demo',
      'image',
      'rollouts',
      'rollout',
      'pause',
      'resume',
      'cancel',
      'rollback',
      'approve',
      'advance',
    ]) {
      expect(out).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    }
    expect(out).toContain('Exit codes:');
  });

  test('an unknown command suggests the one meant, and is wrong usage', async () => {
    const { code, err } = await run(['rolouts']);
    expect(code).toBe(2);
    expect(err).toContain('Did you mean rollouts?');
  });

  test.each([
    [['rolouts'], 'fleetwave --help'],
    [['rollout'], 'fleetwave rollout --help'],
    [['webhook', 'explian'], 'fleetwave webhook --help'],
    [['webhook', 'explain'], 'fleetwave webhook explain --help'],
    [['image', '--chek'], 'fleetwave image --help'],
  ])('wrong usage of %p points to the help of what was meant', async (args, help) => {
    const { code, err } = await run(args);
    expect(code).toBe(2);
    expect(err).toContain(`Run \`${help}\` `);
  });

  test('--version prints the version', async () => {
    expect(await run(['--version'])).toEqual({ code: 0, out: '1.2.3\n', err: '' });
  });
});
