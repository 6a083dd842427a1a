import { validateHeaderValue } from 'node:http';
import { errors, Pool, type Dispatcher } from 'undici';
import {
  noAnswer,
  readBaseUrl,
  REQUEST_LIMIT_MS,
  toClientResponse,
  type ClientResponse,
  type HttpClient,
} from '../http-client';

/**
 * What an agent's client does, for thousands of devices in one process: by `dispatch`, without a stream for each answer,
 * in less than half of the time of Node's own `http`.
 */
export function createFleetClient(baseUrl: string, connections: number): HttpClient {
  const { base, prefix, headers: ofBase } = readBaseUrl(baseUrl);
  const pool = new Pool(base.origin, {
    connections,
    connectTimeout: REQUEST_LIMIT_MS,
    headersTimeout: REQUEST_LIMIT_MS,
    bodyTimeout: REQUEST_LIMIT_MS,
  });
  return {
    send: ({ method, path, headers, body = null }) =>
      new Promise((resolve, reject) => {
        // A pool never uses the connection again on which it has refused what it was given itself.
        for (const [name, value] of Object.entries(headers)) validateHeaderValue(name, value);
        const request = { path: prefix + path, method, headers: { ...ofBase, ...headers }, body };
        pool.dispatch(request, collect(resolve, reject));
      }),
    close: () => {
      void pool.destroy();
    },
  };
}

function collect(
  resolve: (response: ClientResponse) => void,
  reject: (error: Error) => void,
): Dispatcher.DispatchHandler {
  const chunks: Buffer[] = [];
  let status = 0;
  let headers: Parameters<typeof toClientResponse>[1] = {};
  return {
    // By this one it is known as a handler of the present kind.
    onRequestStart: () => undefined,
    onResponseStart: (_, ofStatus, ofHeaders) => {
      status = ofStatus;
      headers = ofHeaders;
    },
    onResponseData: (_, chunk) => {
      chunks.push(chunk);
    },
    onResponseEnd: () => {
      resolve(toClientResponse(status, headers, Buffer.concat(chunks).toString('utf8')));
    },
    onResponseError: (_, error) => {
      const isSilent = error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError;
      reject(isSilent ? noAnswer(error) : error);
    },
  };
}
