import { z } from 'zod';
import type { ApiAccess } from './api-client';
import { differenceLines, PlanDifference } from './plan-difference';

const Problem = z.object({
  title: z.string().optional(),
  detail: z.string().optional(),
  request_id: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  plan_hash: z.string().optional(),
  /** Newer servers may tell it otherwise: then the sentence has to do. */
  difference: PlanDifference.optional().catch(undefined),
});
type Problem = z.infer<typeof Problem>;

/** A problem document (RFC 9457) as sentences, with the remedy that belongs to its status. */
export function refusal(status: number, body: unknown, access: ApiAccess): string {
  const parsed = Problem.safeParse(body);
  const problem = parsed.success ? parsed.data : {};
  const lines = said(status, problem);
  if (problem.difference !== undefined) lines.push(...differenceLines(problem.difference, problem.plan_hash));
  if (status === 401) {
    lines.push(
      access.token === undefined
        ? 'No token was given: use --token or FLEETWAVE_TOKEN. `npm start` prints its admin token and keeps it in its data directory.'
        : `The token was not accepted at ${access.url}. Is it of this installation, and still valid?`,
    );
  }
  if (status === 403) lines.push('The token may not do this: commands need the role operator or admin.');
  if (status >= 500)
    lines.push(
      `The fault is the server's; look at its log${problem.request_id === undefined ? '' : ` for request ${problem.request_id}`}.`,
    );
  return lines.join('\n');
}

/** Each fault once: the detail of an answer about invalid input repeats the first of its list. */
function said(status: number, { title, detail = title ?? `HTTP status ${status}`, errors = [] }: Problem): string[] {
  const [first, ...more] = errors;
  if (first === undefined) return [detail];
  const repeated = detail.endsWith(first.message) || detail.includes(`${first.message} (and `);
  if (repeated && more.length === 0) return [sentenceOf(first)];
  return [repeated ? 'This is not valid:' : detail, ...errors.map((one) => `  ${sentenceOf(one)}`)];
}

/** Whoever typed a command knows its arguments, not where they stand in a request. */
function sentenceOf({ path, message }: { path: string; message: string }): string {
  const field = path.replace(/^(params|query)\./, '');
  return field === '' ? message : `${field}: ${message}`;
}
