import { z } from 'zod';
import { ApiError } from './cli-error';
import { refusal } from './refusal';

export interface ApiClient {
  get<Schema extends z.ZodType>(path: string, answer: Schema): Promise<z.infer<Schema>>;
  /** `refusals` are statuses whose body is an answer as well, where it has its shape. */
  post<Schema extends z.ZodType>(
    path: string,
    body: object,
    answer: Schema,
    refusals?: readonly number[],
  ): Promise<z.infer<Schema>>;
  delete(path: string): Promise<void>;
}

export interface ApiAccess {
  /** Without the path of the API, or a slash at its end. */
  url: string;
  token: string | undefined;
}

const ANSWER_LIMIT_MS = 30_000;

/** Calls the API as an operator. Whatever goes wrong becomes an `ApiError` that says what to do about it. */
export function createApiClient(access: ApiAccess): ApiClient {
  async function call<Schema extends z.ZodType>(
    method: string,
    path: string,
    body: object | undefined,
    answer: Schema,
    refusals: readonly number[] = [],
  ): Promise<z.infer<Schema>> {
    const url = `${access.url}/api/v1${path}`;
    const headers = {
      accept: 'application/json',
      ...(access.token === undefined ? {} : { authorization: `Bearer ${access.token}` }),
    };
    const content =
      body === undefined
        ? { headers }
        : { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) };
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, { method, ...content, signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
      text = await response.text();
    } catch (error) {
      throw new ApiError(unreachable(access.url, error), null);
    }
    const said = parseJson(text);
    const parsed = answer.safeParse(said);
    const isAnswer = response.ok || (refusals.includes(response.status) && parsed.success);
    if (!isAnswer) throw new ApiError(refusal(response.status, said, access), response.status);
    if (!parsed.success)
      throw new ApiError(
        `${url} answered with something that is not Fleetwave's API. Is --url right?`,
        response.status,
      );
    return parsed.data;
  }
  return {
    get: (path, answer) => call('GET', path, undefined, answer),
    post: (path, body, answer, refusals) => call('POST', path, body, answer, refusals),
    delete: async (path) => {
      // 204: there is no body, so nothing parses.
      await call('DELETE', path, undefined, z.undefined());
    },
  };
}

function unreachable(url: string, error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError')
    return `The API at ${url} did not answer within ${ANSWER_LIMIT_MS / 1000} s. Look at its log.`;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
  return `The API at ${url} cannot be reached${code}. Is it running? Start it with \`npm start\`, or say where it is with --url or FLEETWAVE_URL.`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
