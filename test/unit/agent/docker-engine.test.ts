import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { dockerEngine } from '../../../src/agent/docker-engine';
import { engineRefusal } from '../../../src/agent/engine-refusal';
import { labels, type ContainerBody } from '../../../src/agent/rules/container-body';

const ours = { [labels.device]: 'device', [labels.service]: '1/1', [labels.spec]: 'spec' };
const body: ContainerBody = {
  ...{ Image: 'app:1', Env: [], Labels: ours, ExposedPorts: {} },
  HostConfig: { PortBindings: {}, Binds: [], RestartPolicy: { Name: 'no' } },
};
let directory: string;
let server: Server;
let held: Record<string, string> | null;

/** An engine in which the name is taken, by a container of those labels. */
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fleetwave-engine-'));
  server = createServer((request, response) => {
    request.resume();
    response.setHeader('content-type', 'application/json');
    if (request.method === 'POST') response.writeHead(409).end('{"message":"in use"}');
    else response.end(JSON.stringify({ Id: 'x', Config: { Labels: held } }));
  });
  await new Promise<void>((resolve) => server.listen(join(directory, 'engine.sock'), resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

test('a name that is taken by the container of an earlier try is no error, by any other it is', async () => {
  const engine = dockerEngine(join(directory, 'engine.sock'), 'device');
  held = { ...ours, other: 'label' };
  await engine.create('app', body);
  for (held of [null, {}, { ...ours, [labels.device]: 'another' }]) {
    const error: unknown = await engine.create('app', body).catch((thrown: unknown) => thrown);
    expect(engineRefusal(error).message).toBe('the name app is taken by another container');
  }
});
