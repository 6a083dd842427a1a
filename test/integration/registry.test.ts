import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pushImage } from '../../src/dev/push-image';
import { startRegistry, type RegistryServer } from '../../src/dev/registry';

interface Envelope {
  events: { action: string; target: { repository: string; tag?: string; digest: string; mediaType: string } }[];
}

const directory = mkdtempSync(join(tmpdir(), 'fleetwave-registry-'));
const received: { authorization: string | undefined; envelope: Envelope }[] = [];
let listener: Server;
let registry: RegistryServer;

beforeAll(async () => {
  listener = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({
        authorization: request.headers.authorization,
        envelope: JSON.parse(Buffer.concat(chunks).toString()) as Envelope,
      });
      response.end();
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/`;
  const started = await startRegistry({ directory, notify: { url, headers: { Authorization: 'Bearer secret' } } });
  if (started === undefined) throw new Error('docker-registry is not installed: apt-get install docker-registry');
  registry = started;
});

afterAll(async () => {
  await registry.stop();
  listener.closeAllConnections();
  listener.close();
  rmSync(directory, { recursive: true });
});

test.each(['docker', 'oci'] as const)(
  'a real %s image is pushed, can be read by skopeo, and the registry tells of it',
  async (format) => {
    const pushed = await pushImage({
      registry: registry.host,
      repository: `edge/${format}`,
      tag: '7.5',
      content: 'seven',
      format,
    });
    const reference = `docker://${registry.host}/edge/${format}:7.5`;
    const { stdout } = await promisify(execFile)('skopeo', ['inspect', '--tls-verify=false', reference]);
    const seen = JSON.parse(stdout) as { Digest: string; Labels: Record<string, string> };
    expect(seen.Digest).toBe(pushed.digest);
    expect(seen.Labels).toEqual({ 'dev.fleetwave.content': 'seven' });

    const tagged = () =>
      received.filter(({ envelope }) =>
        envelope.events.some(
          ({ action, target }) => action === 'push' && target.tag === '7.5' && target.repository === `edge/${format}`,
        ),
      );
    while (tagged().length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    const [notification] = tagged();
    expect(notification?.authorization).toBe('Bearer secret');
    expect(notification?.envelope.events[0]?.target.digest).toBe(pushed.digest);
  },
);

test('the same content gives the same digest, other content another', async () => {
  const push = (content: string) =>
    pushImage({ registry: registry.host, repository: 'edge/same', tag: 'latest', content });
  const [first, again, other] = [await push('a'), await push('a'), await push('b')];
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
});
