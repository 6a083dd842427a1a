import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createPool } from '../src/db/pool';

/** The server that reports are held against: it reads the body and does one INSERT for each request, nothing else. */
async function serve({ databaseUrl, connections }: { databaseUrl: string; connections: number }): Promise<string> {
  const pool = createPool({ url: databaseUrl, size: connections, applicationName: 'fleetwave-bench-inserts' });
  await pool.query(
    'create table if not exists bench_reports (id bigint generated always as identity primary key, device_uuid uuid not null, report jsonb not null, reported_at timestamptz not null default now())',
  );
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const [uuid, report] = Object.entries(JSON.parse(Buffer.concat(chunks).toString('utf8')) as object)[0] ?? [];
      pool
        .query({
          name: 'insert',
          text: 'insert into bench_reports (device_uuid, report) values ($1, $2)',
          values: [uuid, JSON.stringify(report)],
        })
        .then(
          () => response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"ok"}'),
          () => response.writeHead(500).end(),
        );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.once('disconnect', () => {
    server.closeAllConnections();
    server.close();
    void pool.end();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

process.on('message', (order: { databaseUrl: string; connections: number }) => {
  void serve(order).then((url) => process.send?.({ url }));
});
