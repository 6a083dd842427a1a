import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { builtFile } from '../../src/dev/fleetwave-process';
import { freePort } from '../../src/dev/ports';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { testServers } from '../support/facts';
import { until } from '../support/outage';
import { makeCertificate } from './registry-client/certificate';

/** In front of Temporal, who knows its clients by their certificate, as Temporal Cloud and clusters with TLS do. */
let relay: Server;
let database: TestDatabase;
let directory: string;
let environment: NodeJS.ProcessEnv;
const children: ChildProcess[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  directory = mkdtempSync(join(tmpdir(), 'fleetwave-tls-'));
  const server = makeCertificate(['DNS:localhost']);
  const client = makeCertificate(['DNS:a-worker']);
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const [host, port] = testServers().FLEETWAVE_TEST_TEMPORAL_ADDRESS.split(':');
  relay = createServer(
    { ...server, ca: client.cert, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['h2'] },
    (near) => {
      const far = connect(Number(port), host);
      for (const socket of [near, far]) socket.on('error', () => undefined);
      near.pipe(far).pipe(near);
    },
  );
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  // As the Helm chart has them.
  environment = {
    ...process.env,
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: `localhost:${(relay.address() as AddressInfo).port}`,
    TEMPORAL_TLS: 'true',
    TEMPORAL_TLS_CLIENT_CERT_PATH: file('tls.crt', client.cert),
    TEMPORAL_TLS_CLIENT_KEY_PATH: file('tls.key', client.key),
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('ca.crt', server.cert),
    FLEETWAVE_TASK_QUEUE: `tls-${randomUUID()}`,
    LOG_LEVEL: 'error',
  };
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  relay.close();
  await database.drop();
  rmSync(directory, { recursive: true });
});

function start(part: 'api' | 'worker', more: NodeJS.ProcessEnv = {}): void {
  const env = { ...environment, ...more };
  children.push(spawn(process.execPath, [builtFile(part, 'main.js')], { env, stdio: ['ignore', 'ignore', 'inherit'] }));
}

const isHealthy = (part: 'api' | 'worker', env = environment): Promise<boolean> =>
  new Promise((resolve) => {
    execFile(process.execPath, [builtFile('dev', 'health-main.js'), part], { env }, (error) => resolve(error === null));
  });

test('API, worker and their health checks reach a Temporal that asks for a certificate', async () => {
  const port = await freePort();
  start('worker');
  start('api', { PORT: String(port) });
  await until(() => isHealthy('worker'));
  await until(() => isHealthy('api', { ...environment, PORT: String(port) }));
  const readiness = (await (await fetch(`http://127.0.0.1:${port}/readyz`)).json()) as { checks: object };
  expect(readiness.checks).toMatchObject({ postgres: 'ok', temporal: 'ok' });
  // It is the certificate that lets them in.
  const { TEMPORAL_TLS_CLIENT_CERT_PATH: _, ...stranger } = environment;
  expect(await isHealthy('worker', stranger)).toBe(false);
});
