import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

export interface ClientResponse {
  status: number;
  etag: string | undefined;
  retryAfterSeconds: number | undefined;
  body: string;
}

export interface ClientRequest {
  method: 'GET' | 'PATCH' | 'POST';
  path: string;
  headers: Record<string, string>;
  body?: string;
}

export interface HttpClient {
  /** Answers any status; rejects only when there is no answer. */
  send(request: ClientRequest): Promise<ClientResponse>;
  /** Drops all connections, the ones in use too. */
  close(): void;
}

/** The field agents' own limit (docs/agent-protocol.md, section 3). */
const REQUEST_LIMIT_MS = 30_000;

/**
 * A client over a few kept-alive connections. Node's own `http` rather than `fetch`, because one process plays thousands of
 * devices and must be able to drop its connections when it stops.
 */
export function createHttpClient(baseUrl: string, connections: number): HttpClient {
  const base = new URL(baseUrl);
  const secure = base.protocol === 'https:';
  const agent = new (secure ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: connections, scheduling: 'lifo' });
  const start = secure ? httpsRequest : httpRequest;
  const prefix = base.pathname.replace(/\/+$/, '');
  // Brackets are part of an IPv6 address in a URL only.
  const place = {
    host: base.hostname.replace(/^\[|\]$/g, ''),
    ...(base.port === '' ? {} : { port: base.port }),
    // For a proxy in between: the device's key goes in a header of its own.
    ...(base.username === '' ? {} : { auth: [base.username, base.password].map(decodeURIComponent).join(':') }),
  };

  function send({ method, path, headers, body }: ClientRequest): Promise<ClientResponse> {
    return new Promise((resolve, reject) => {
      const allHeaders =
        body === undefined ? headers : { ...headers, 'content-length': String(Buffer.byteLength(body)) };
      const options = { ...place, path: prefix + path, method, agent, headers: allHeaders, timeout: REQUEST_LIMIT_MS };
      const sent = start(options, (response) => {
        readText(response).then((text) => {
          const { etag, 'retry-after': after } = response.headers;
          const retryAfterSeconds = after !== undefined && /^\d{1,6}$/.test(after) ? Number(after) : undefined;
          resolve({ status: response.statusCode ?? 0, etag, retryAfterSeconds, body: text });
        }, reject);
      });
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${REQUEST_LIMIT_MS / 1000} s`)));
      sent.on('error', reject);
      sent.end(body);
    });
  }

  return {
    send,
    close: () => {
      agent.destroy();
    },
  };
}

/** By events: a loop over the chunks takes twice the time, of which a process with thousands of devices has none to spare. */
function readText(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.once('end', () => {
      resolve(Buffer.concat(chunks).toString('utf8'));
    });
    response.once('error', reject);
    response.once('close', () => {
      reject(new Error('the answer ended early'));
    });
  });
}
