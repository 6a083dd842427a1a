/** One invalid part of a request: `path` as in `devices.3.timezone`. */
export interface InvalidPart {
  path: string;
  message: string;
}

export interface ProblemExtras {
  errors?: InvalidPart[];
  /** Further members of the problem document, such as `current_version` of a conflict. */
  members?: Record<string, unknown>;
  headers?: Record<string, string>;
  /** For whoever runs the installation: goes to the log, never into the answer. Null: it was logged where it was refused. */
  forTheLog?: string | null;
}

/**
 * The one way a route refuses: becomes an RFC 9457 problem document. `code` is stable, for programs; `message` names the
 * thing and the remedy, for people.
 */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly status: number;
  readonly code: string;
  readonly extras: ProblemExtras;

  constructor(status: number, code: string, message: string, extras: ProblemExtras = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.extras = extras;
  }
}

/** 404 for a thing of the API that is not there. */
export function notFound(thing: string, id: string): HttpProblem {
  return new HttpProblem(404, `${thing.replaceAll(' ', '-')}-not-found`, `there is no ${thing} ${id}`);
}

/** 413; null where the limit is not known. */
export function bodyTooLarge(limitBytes: number | null): HttpProblem {
  const limit = limitBytes === null ? 'what' : `the ${limitBytes} bytes`;
  return new HttpProblem(
    413,
    'body-too-large',
    `the body is larger than ${limit} this route takes, as sent or once decompressed`,
  );
}

export function unreadableBody(status = 400): HttpProblem {
  return new HttpProblem(status, 'malformed-request', 'the body could not be read: cut short or wrongly compressed');
}

/** As many as a line in a terminal or a log can hold; `errors` has all. */
const SAID_AT_ONCE = 3;

/** 422 with every invalid part of the request at once. */
export function invalidInput(errors: InvalidPart[]): HttpProblem {
  const said = errors.slice(0, SAID_AT_ONCE).map(({ path, message }) => `${path === '' ? 'body' : path}: ${message}`);
  const left = errors.length - said.length;
  const more = left > 0 ? ` (and ${left} more: see "errors")` : '';
  const detail = said.length === 0 ? 'the request is not valid' : `${said.join('; ')}${more}`;
  return new HttpProblem(422, 'invalid-input', detail, { errors });
}
