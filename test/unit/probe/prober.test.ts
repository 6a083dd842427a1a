import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { LookupAddress } from 'node:dns';
import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import type { ProbeCheck } from '../../../src/domain/checks';
import { createProber } from '../../../src/probe/prober';
import { freePort } from '../../../src/dev/ports';
import { serveHttp, serveTcp, type SmallServer } from '../../support/small-servers';
import { until } from '../../support/outage';

const open: SmallServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});
async function http(answer: RequestListener, host?: string): Promise<SmallServer> {
  const server = await serveHttp(answer, host);
  open.push(server);
  return server;
}
async function tcp(onConnection: Parameters<typeof serveTcp>[0]): Promise<SmallServer> {
  const server = await serveTcp(onConnection);
  open.push(server);
  return server;
}
const prober = createProber();
const httpCheck = (port: number, more: object = {}): ProbeCheck => ({
  ...{ kind: 'http', port, path: '/', status: null, timeoutSeconds: 5 },
  ...more,
});
const tcpCheck = (port: number): ProbeCheck => ({ kind: 'tcp', port, timeoutSeconds: 5 });

describe('tcp', () => {
  it('holds where a connection comes about, and closes it without a word', async () => {
    const said: Buffer[] = [];
    const server = await tcp((socket) => socket.on('data', (data) => said.push(data)));
    expect(await prober.probe(tcpCheck(server.port), '127.0.0.1')).toEqual({ ok: true, said: 'connected' });
    await until(() => Promise.resolve(server.open() === 0));
    expect(said).toEqual([]);
  });

  it('does not hold where nobody listens', async () => {
    expect(await prober.probe(tcpCheck(await freePort()), '127.0.0.1')).toEqual({
      ok: false,
      said: 'connection refused',
    });
  });
});

describe('http', () => {
  it.each([
    [200, null, true, 'answered 200'],
    [204, null, true, 'answered 204'],
    [301, null, false, 'answered 301 instead of 200 to 299'],
    [503, null, false, 'answered 503 instead of 200 to 299'],
    [503, 503, true, 'answered 503'],
    [200, 204, false, 'answered 200 instead of 204'],
  ])('status %d where %p is wanted: %p', async (status, wanted, ok, said) => {
    const server = await http((_request, response) => response.writeHead(status).end());
    expect(await prober.probe(httpCheck(server.port, { status: wanted }), '127.0.0.1')).toEqual({ ok, said });
  });

  it('asks for its path at the registered address, by its name', async () => {
    const asked: unknown[] = [];
    const server = await http((request, response) => {
      asked.push([request.method, request.url, request.headers.host, request.headers.authorization]);
      response.end();
    }, '127.0.0.2');
    expect(await prober.probe(httpCheck(server.port, { path: '/health?deep=1' }), '127.0.0.2')).toMatchObject({
      ok: true,
    });
    expect(asked).toEqual([['GET', '/health?deep=1', `127.0.0.2:${String(server.port)}`, undefined]]);
  });

  it('goes to no other host, wherever a redirect leads', async () => {
    const other = await http((_request, response) => response.end());
    const server = await http((_request, response) =>
      response.writeHead(302, { location: `http://127.0.0.1:${String(other.port)}/` }).end(),
    );
    expect(await prober.probe(httpCheck(server.port), '127.0.0.1')).toMatchObject({ ok: false });
    expect(await prober.probe(httpCheck(server.port, { status: 302 }), '127.0.0.1')).toMatchObject({ ok: true });
    expect(other.connections()).toBe(0);
  });

  it('reads nothing of a body, however large: the connection is closed when the status is there', async () => {
    let written = 0;
    const server = await http((_request, response) => {
      const piece = Buffer.alloc(64 * 1024);
      const more = (): void => {
        written += piece.length;
        if (!response.destroyed && response.write(piece)) setImmediate(more);
      };
      response.on('drain', more);
      more();
    });
    expect(await prober.probe(httpCheck(server.port), '127.0.0.1')).toEqual({ ok: true, said: 'answered 200' });
    await until(() => Promise.resolve(server.open() === 0));
    expect(written).toBeLessThan(64 * 1024 * 1024);
  });

  it.each([
    ['says nothing', (socket: Socket) => void socket.resume()],
    ['trickles its headers', (socket: Socket) => trickle(socket)],
    ['never stops to say that it goes on', (socket: Socket) => endlessContinue(socket)],
  ])('a server that %s is left when the time is up', async (_name, onConnection) => {
    const server = await tcp(onConnection);
    const result = await prober.probe(httpCheck(server.port, { timeoutSeconds: 1 }), '127.0.0.1');
    expect(result).toEqual({ ok: false, said: 'no answer within 1 s' });
    await until(() => Promise.resolve(server.open() === 0));
  });

  it.each([
    ['no HTTP', 'SSH-2.0-OpenSSH_9.9\r\n', 'its answer is not HTTP'],
    [
      'too many headers',
      `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(64 * 1024)}\r\n\r\n`,
      'the headers of its answer are too large',
    ],
    ['nothing at all', '', 'the connection was closed without an answer'],
  ])('a server that answers %s', async (_name, answer, said) => {
    const server = await tcp((socket) => socket.once('data', () => socket.end(answer)));
    expect(await prober.probe(httpCheck(server.port), '127.0.0.1')).toEqual({ ok: false, said });
  });

  it('takes a protocol that is switched to for an answer like others', async () => {
    const server = await tcp((socket) =>
      socket.once('data', () =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
      ),
    );
    expect(await prober.probe(httpCheck(server.port), '127.0.0.1')).toMatchObject({ ok: false });
    await until(() => Promise.resolve(server.open() === 0));
  });
});

describe('where it connects to', () => {
  const named = (answers: string[][]) => {
    const names = jest.fn((_name: string): Promise<LookupAddress[]> => {
      const addresses = answers.shift() ?? [];
      return Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
    });
    return { names, prober: createProber(names) };
  };

  it('nowhere, for a device without an address: that is said by its name', async () => {
    expect(await prober.probe(tcpCheck(80), null)).toEqual({ ok: false, said: 'no address: cannot be checked' });
  });

  it.each([
    '169.254.169.254',
    '0.0.0.0',
    '100.100.100.200',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    'fe80::1',
    'fd00:ec2::254',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
  ])('not to %s, whoever registered it', async (address) => {
    const { said, ok } = await prober.probe(tcpCheck(80), address);
    expect([ok, said]).toEqual([false, `its address is not one of a device: ${address}`]);
  });

  it.each([['127.0.0.1'], ['::1'], ['169.254.169.254'], ['10.0.0.1', '127.0.0.1']])(
    'not to a name that leads to %s',
    async (...addresses) => {
      const server = await tcp(() => undefined);
      const { prober: own } = named([addresses]);
      expect(await own.probe(tcpCheck(server.port), 'device.example.com')).toMatchObject({
        ok: false,
        said: expect.stringContaining('its address is not one of a device'),
      });
      expect(server.connections()).toBe(0);
    },
  );

  it('looks a name up once, so that another answer the second time gains nothing', async () => {
    const { prober: own, names } = named([['169.254.1.1'], ['10.0.0.1']]);
    await own.probe({ kind: 'tcp', port: 80, timeoutSeconds: 1 }, 'device.example.com');
    expect(names).toHaveBeenCalledTimes(1);
  });

  it('says so where a name has no address', async () => {
    expect(await named([[]]).prober.probe(tcpCheck(80), 'gone.example.com')).toEqual({
      ok: false,
      said: 'its name has no address',
    });
  });
});

function trickle(socket: Socket): void {
  socket.write('HTTP/1.1 200 OK\r\n');
  const timer = setInterval(() => socket.write('x'), 50);
  socket.on('close', () => clearInterval(timer));
}

function endlessContinue(socket: Socket): void {
  const timer = setInterval(() => socket.write('HTTP/1.1 100 Continue\r\n\r\n'), 20);
  socket.on('close', () => clearInterval(timer));
}
