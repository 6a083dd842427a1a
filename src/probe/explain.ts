const byCode: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was closed without an answer',
  EPIPE: 'the connection was closed without an answer',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'no answer',
  ENOTFOUND: 'its name has no address',
  EAI_AGAIN: 'its name could not be looked up',
  HPE_HEADER_OVERFLOW: 'the headers of its answer are too large',
};

/** What went wrong with a look, in a few words. */
export function explain(error: unknown): string {
  const { code, message } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: unknown;
    message?: unknown;
  };
  if (typeof code === 'string') {
    if (byCode[code] !== undefined) return byCode[code];
    if (code.startsWith('HPE_')) return 'its answer is not HTTP';
  }
  return typeof message === 'string' ? message.slice(0, 200) : 'failed';
}
