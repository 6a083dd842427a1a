import type { Request, Response } from 'express';
import { toProblem } from './errors';
import { exchangeOf } from './exchange';
import { HttpProblem } from './problem';
import type { SourceContacts } from './source-contacts';
import { builtInSource, isSourceName, type SourceStore, type StoredSource } from './source-store';

/** Notes each refusal of a delivery, whoever refused it: the body's reader, the source, or its kind. */
export function noteRefusals(sources: SourceStore, contacts: SourceContacts) {
  return async function noteRefusal(error: unknown, request: Request, response: Response): Promise<unknown> {
    const problem = toProblem(error);
    // A bug, or the database is away: that is not about the delivery, and is logged as everywhere.
    if (problem.status >= 500 && !(error instanceof HttpProblem)) return error;
    // A browser, or a crawler.
    if (problem.status === 405 && (request.method === 'GET' || request.method === 'HEAD')) return error;
    const name = sourceNameOf(request);
    const stored = await storedFor(problem, name, sources);
    const said = stored === null ? problem : withLimit(problem, stored);
    contacts.refused({
      source: stored !== null || problem.code === 'source-unavailable' ? name : null,
      kind: stored?.kind.name ?? null,
      status: problem.status,
      reason: problem.extras.forTheLog ?? said.message,
      request: { request_id: exchangeOf(response).requestId, method: request.method, path: request.path.slice(0, 200) },
    });
    return new HttpProblem(said.status, said.code, said.message, { ...said.extras, forTheLog: null });
  };
}

function sourceNameOf(request: Request): string {
  const { name } = request.params;
  return typeof name === 'string' ? name : builtInSource;
}

/** Asks nothing again that has just been found absent or not to be read. */
async function storedFor({ code }: HttpProblem, name: string, sources: SourceStore): Promise<StoredSource | null> {
  if (code === 'unknown-webhook-source' || code === 'source-unavailable' || !isSourceName(name)) return null;
  return sources.find(name).catch(() => null);
}

/** The reader of bodies knows the largest limit of all kinds; the sender is told that of its own. */
function withLimit(problem: HttpProblem, { kind }: StoredSource): HttpProblem {
  return problem.code === 'body-too-large' ? tooLarge(kind.limitBytes) : problem;
}

export function tooLarge(limitBytes: number): HttpProblem {
  return new HttpProblem(413, 'body-too-large', `the body is larger than the ${limitBytes} bytes this source takes`);
}
