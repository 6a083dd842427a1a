/** Connections that could not be made, were refused or were cut. */
const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EPIPE',
  'ENOENT',
]);
/** Server is starting, stopping, full, without disk space or memory, or cannot use its disk; or gave up on a statement, a lock or a deadlock: all worth trying again. */
const SERVER_CODES = new Set([
  '57P01',
  '57P02',
  '57P03',
  '57P05',
  '53100',
  '53200',
  '53300',
  '58030',
  '57014',
  '55P03',
  '40P01',
  '40001',
  '25P03',
]);
/** A deadlock or a lock that was not to be had: of what the statement touches, not of the database as a whole. */
const CONFLICT_CODES = new Set(['40P01', '40001', '55P03']);
/** What node-postgres throws without a code. */
const MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Query read timeout)/;

interface ErrorLike {
  code?: unknown;
  message?: unknown;
  constraint?: unknown;
  errors?: unknown;
}

/** By shape, not by class: errors of Node's own modules belong to another realm where code runs in a vm context. */
function like(error: unknown): ErrorLike {
  return typeof error === 'object' && error !== null ? error : {};
}

function codeOf(error: unknown): string | null {
  const { code } = like(error);
  return typeof code === 'string' ? code : null;
}

/** True when the same statement may well succeed in a moment, because only the database was away or busy. */
export function isDatabaseAway(error: unknown): boolean {
  const { errors, message } = like(error);
  if (Array.isArray(errors) && errors.length > 0) return errors.every(isDatabaseAway);
  const code = codeOf(error);
  if (code !== null && (CONNECTION_CODES.has(code) || SERVER_CODES.has(code) || code.startsWith('08'))) return true;
  return typeof message === 'string' && MESSAGES.test(message);
}

/** True when others were at the same rows: a statement that touches fewer of them may well succeed at once. */
export function isConflict(error: unknown): boolean {
  return CONFLICT_CODES.has(codeOf(error) ?? '');
}

/** True when nothing came in answer: the connection is dead, though nobody said so. */
export function isSilent(error: unknown): error is Error {
  return error instanceof Error && error.message === 'Query read timeout';
}

/** Text PostgreSQL cannot hold: NUL, lone surrogates in JSON, nesting deeper than its stack. */
export function isUnstorableText(error: unknown): boolean {
  return ['22021', '22P05', '22P02', '54001', '22003'].includes(codeOf(error) ?? '');
}

/** True when `error` is the violation of this named constraint, so that callers handle invariants by name. */
export function violates(error: unknown, constraint: string): boolean {
  return like(error).constraint === constraint;
}
