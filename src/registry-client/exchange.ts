import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { RegistryTrouble } from './answers';
import { AddressRefused, checkLiteral, judgedLookup, type AddressRule, type Network } from './network';
import { withinTime } from '../time-limit';

export interface Question {
  url: URL;
  method: 'GET' | 'HEAD';
  headers: Record<string, string>;
  addresses: AddressRule;
  limitBytes: number;
  signal: AbortSignal;
}

export interface Exchanged {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Exchange {
  /** @throws RegistryTrouble */
  send(question: Question): Promise<Exchanged>;
  close(): void;
}

class TooLarge extends Error {
  override readonly name = 'TooLarge';
}

/**
 * One request and its answer. Of Node's own clients it is `http.request` and not `fetch`: only there the address that is
 * connected to can be judged, and the bytes come as they were sent, uncompressed, to be hashed. Redirects are the caller's.
 */
export function createExchange(network: Network, timeoutMs: number): Exchange {
  const ca = network.certificateAuthorities;
  // Idle connections do not keep a process alive.
  const kept = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) };

  function start({ url, method, headers, addresses }: Question, signal: AbortSignal): ClientRequest {
    checkLiteral(network, addresses, url.hostname);
    const secure = url.protocol === 'https:';
    const agent = secure ? kept.https : kept.http;
    return (secure ? httpsRequest : httpRequest)(url, {
      method,
      headers: { ...headers, 'accept-encoding': 'identity', 'user-agent': 'fleetwave' },
      lookup: judgedLookup(network, addresses),
      // A kept connection was judged by another rule, perhaps: whoever comes by a redirect gets one of its own.
      agent: addresses === 'public' ? false : agent,
      signal,
      ...(secure && ca !== undefined ? { ca } : {}),
    });
  }

  async function send(question: Question, signal: AbortSignal, again: boolean): Promise<Exchanged> {
    let request: ClientRequest | undefined;
    try {
      signal.throwIfAborted();
      request = start(question, signal);
      return await answerOf(request, question.limitBytes);
    } catch (error) {
      // The other side closed an idle connection at this very moment; HEAD and GET may be sent twice.
      if (again && request?.reusedSocket === true && codeOf(error) === 'ECONNRESET' && !signal.aborted)
        return send(question, signal, false);
      throw asTrouble(error, question.url.host, signal.aborted);
    }
  }
  return {
    send: (question) => withinTime(timeoutMs, question.signal, (signal) => send(question, signal, true)),
    close() {
      kept.http.destroy();
      kept.https.destroy();
    },
  };
}

function answerOf(request: ClientRequest, limitBytes: number): Promise<Exchanged> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.once('response', (response) => {
      const { statusCode: status = 0, headers } = response;
      const encoding = headers['content-encoding'] ?? 'identity';
      if (status >= 300 && status < 400) {
        // Only the Location matters.
        response.on('error', () => undefined).destroy();
        resolve({ status, headers, body: Buffer.alloc(0) });
      } else if (encoding !== 'identity') {
        response.on('error', () => undefined).destroy();
        reject(new RegistryTrouble('unclear', 'it sends compressed what was not asked for so'));
      } else {
        readAll(response, limitBytes).then((body) => resolve({ status, headers, body }), reject);
      }
    });
    request.end();
  });
}

async function readAll(stream: Readable, limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limitBytes) throw new TooLarge(`an answer of more than ${limitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function codeOf(error: unknown): string | undefined {
  const isCoded = typeof error === 'object' && error !== null && 'code' in error;
  return isCoded && typeof error.code === 'string' ? error.code : undefined;
}

/** Codes and our own words only: Node's messages hold addresses and whatever a certificate says. */
function asTrouble(error: unknown, host: string, aborted: boolean): unknown {
  if (error instanceof RegistryTrouble) return error;
  if (error instanceof AddressRefused) return new RegistryTrouble('untrusted', error.message);
  if (error instanceof TooLarge) return new RegistryTrouble('unclear', `${host} sends ${error.message}`);
  if (aborted) return new RegistryTrouble('unreachable', `${host} did not answer in time`);
  const code = codeOf(error);
  if (code === undefined) return error;
  return new RegistryTrouble('unreachable', `${host} cannot be reached (${code})`);
}
