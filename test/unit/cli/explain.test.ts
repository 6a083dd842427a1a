import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { runCommandLine } from '../../../src/cli/program';
import { digestOf, dockerHubBody, envelope } from '../../support/intake';
import { capturedTerminal } from './captured-terminal';

const directory = mkdtempSync(join(tmpdir(), 'fleetwave-explain-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function explain(body: string, ...args: string[]) {
  const file = join(directory, 'body.json');
  writeFileSync(file, body);
  const terminal = capturedTerminal();
  async function* nothing(): AsyncGenerator<string> {
    yield await Promise.resolve('');
  }
  const code = await runCommandLine(['webhook', 'explain', file, ...args], {
    ...{ terminal, input: nothing(), version: '0' },
  });
  return { code, out: terminal.out, err: terminal.err };
}

const distributionType = 'Content-Type: application/vnd.docker.distribution.events.v2+json';

test('says what a push would be understood as, and how it must prove itself', async () => {
  const { code, out } = await explain(dockerHubBody('redis', '7.5', 1767225600), '--kind', 'dockerhub');
  expect(code).toBe(0);
  expect(out).toContain('docker.io/library/redis:7.5');
  expect(out).toContain('2026-01-01T00:00:00.000Z');
  expect(out).toContain("known by the body's hash");
  expect(out).toContain('?secret=');
});

test('says why a push cannot be rolled out, and what would put it right', async () => {
  const body = envelope({ id: 'e', tag: '2.0', digest: digestOf('a') }).replace(
    'registry.example.com:5000',
    'registry',
  );
  const given = ['--kind', 'distribution', '--header', distributionType];
  const { code, out } = await explain(body, ...given);
  expect([code, out]).toEqual([1, expect.stringContaining('give the source a "registry_host"')]);
  const placed = await explain(body, ...given, '--registry-host', 'registry.acme.io:5000', '--json');
  expect(JSON.parse(placed.out)).toMatchObject({
    pushes: [
      { usable: true, image: 'registry.acme.io:5000/team/api', tag: '2.0', digest: digestOf('a'), eventId: 'e' },
    ],
    doubts: [],
  });
});

test('a repository without a place is told of "repositories" first, and nothing to roll out exits 1', async () => {
  const component = { format: 'docker', name: 'acme/api', version: '1.4.2' };
  const body = JSON.stringify({ repositoryName: 'docker-hosted', action: 'CREATED', component });
  const { code, out } = await explain(body, '--kind', 'nexus');
  expect([code, out]).toEqual([1, expect.stringMatching(/"repositories" \("docker-hosted"\), or .* "registry_host"/)]);
  expect(out).toContain('--repository');
  expect((await explain(body, '--kind', 'nexus', '--json')).code).toBe(1);
  const placed = await explain(body, '--kind', 'nexus', '--repository', 'docker-hosted=nexus.acme.io:8082');
  expect([placed.code, placed.out]).toEqual([0, expect.stringContaining('nexus.acme.io:8082/acme/api:1.4.2')]);
});

test('of several pushes one that can be rolled out is enough', async () => {
  const events = [
    envelope({ id: 'a', tag: '2.0', digest: digestOf('a') }),
    envelope({ id: 'b', tag: '2.1', digest: digestOf('b') }),
  ].map((text) => JSON.parse(text).events[0] as { request: object });
  const [first, second] = events;
  const body = JSON.stringify({ events: [{ ...first, request: { host: 'registry' } }, second] });
  const { code, out } = await explain(body, '--kind', 'distribution', '--header', distributionType);
  expect([code, out]).toEqual([0, expect.stringContaining('2 pushes')]);
});

test('what is of no concern is counted', async () => {
  const { code, out } = await explain(
    '{"events":[{"action":"pull"}]}',
    '--kind',
    'distribution',
    '--header',
    distributionType,
  );
  expect([code, out]).toEqual([0, expect.stringContaining('Of no concern: pull')]);
  expect(out).toContain('leave no row');
});

test('what cannot be read names the field, says what the sender would be told, and exits 1', async () => {
  const hub = await explain('{"push_data":{}}', '--kind', 'dockerhub');
  expect([hub.code, hub.err]).toEqual([1, expect.stringContaining('push_data.tag')]);
  expect(hub.err).toContain('422');
  const registry = await explain('{}', '--kind', 'distribution');
  expect([registry.code, registry.err]).toEqual([1, expect.stringContaining('answered 200')]);
});

test('a wrong content type is said, and a missing file or an unknown kind is refused', async () => {
  const { code, out } = await explain(
    dockerHubBody('redis', '7'),
    '--kind',
    'dockerhub',
    '--header',
    'content-type: text/xml',
  );
  expect([code, out]).toEqual([1, expect.stringContaining('would be answered 415')]);
  expect((await explain('{}', '--kind', 'floppy')).code).toBe(2);
  expect((await explain('{}', '--kind', 'dockerhub', '--header', 'nothing')).code).toBe(2);
  expect((await explain('{}', '--kind', 'dockerhub', '--options', '{"x":1}')).err).toContain('x');
});

test('says once that a body is no JSON', async () => {
  const { code, err } = await explain('tag=2.1', '--kind', 'harbor');
  expect([code, err]).toEqual([
    1,
    expect.stringContaining('It cannot be read as Harbor: the body is not JSON. It would be answered 422.'),
  ]);
});
