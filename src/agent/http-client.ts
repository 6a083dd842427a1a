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
export const REQUEST_LIMIT_MS = 30_000;

export function noAnswer(cause?: Error): Error {
  return new Error(`no answer within ${REQUEST_LIMIT_MS / 1000} s`, { cause });
}

/** What an API's address says beside its origin: a path before all others, and credentials for a proxy in between. */
export function readBaseUrl(baseUrl: string): { base: URL; prefix: string; headers: Record<string, string> } {
  const base = new URL(baseUrl);
  const credentials = [base.username, base.password].map(decodeURIComponent).join(':');
  return {
    base,
    prefix: base.pathname.replace(/\/+$/, ''),
    // The device's key goes in a header of its own.
    headers: base.username === '' ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` },
  };
}

type Header = string | string[] | undefined;

export function toClientResponse(
  status: number,
  headers: { etag?: Header; 'retry-after'?: Header },
  body: string,
): ClientResponse {
  const after = firstOf(headers['retry-after']);
  return {
    status,
    etag: firstOf(headers.etag),
    retryAfterSeconds: after !== undefined && /^\d{1,6}$/.test(after) ? Number(after) : undefined,
    body,
  };
}

function firstOf(header: Header): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

/**
 * An agent's client, over a few kept-alive connections that can all be dropped. Node's own `http`, because any other would
 * add a tenth to the agent's memory and more.
 */
export function createHttpClient(baseUrl: string, connections: number): HttpClient {
  const { base, prefix, headers: ofBase } = readBaseUrl(baseUrl);
  const secure = base.protocol === 'https:';
  const agent = new (secure ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: connections, scheduling: 'lifo' });
  const start = secure ? httpsRequest : httpRequest;
  // Brackets are part of an IPv6 address in a URL only.
  const place = {
    host: base.hostname.replace(/^\[|\]$/g, ''),
    ...(base.port === '' ? {} : { port: base.port }),
  };

  function send({ method, path, headers, body }: ClientRequest): Promise<ClientResponse> {
    return new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      const allHeaders = { ...ofBase, ...headers, ...length };
      const options = { ...place, path: prefix + path, method, agent, headers: allHeaders, timeout: REQUEST_LIMIT_MS };
      const sent = start(options, (response) => {
        readText(response).then((text) => {
          resolve(toClientResponse(response.statusCode ?? 0, response.headers, text));
        }, reject);
      });
      sent.on('timeout', () => sent.destroy(noAnswer()));
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

function readText(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.once('end', () => {
      resolve(Buffer.concat(chunks).toString('utf8'));
    });
    response.once('error', reject);
    response.once('close', () => {
      // It closes after its end as well.
      if (!response.complete) reject(new Error('the answer ended early'));
    });
  });
}
