import { isDatabaseAway } from './database-errors';

/** One sentence for the person who starts a process, or null where `error` is about something else. Never the password. */
export function explainUnreachable(url: string, error: unknown): string | null {
  const text = error instanceof Error ? error.message : String(error);
  const { host, pathname } = new URL(url);
  const place = `PostgreSQL at ${host}${pathname}`;
  // Refused logins and absent databases are answers of a server that is there.
  const code = codeOf(error);
  if (code.startsWith('28') || code === '3D000') return `${place} refuses: ${text}. Is DATABASE_URL right?`;
  if (!isDatabaseAway(error)) return null;
  return `${place} cannot be reached${code === '' ? '' : ` (${code})`}. Is it running, and is DATABASE_URL right?`;
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return 'errors' in error && Array.isArray(error.errors) ? codeOf(error.errors[0]) : '';
}
