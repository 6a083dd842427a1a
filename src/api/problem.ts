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
  /** For whoever runs the installation: goes to the log, never into the answer. */
  forTheLog?: string;
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

/** 422 with every invalid part of the request at once. */
export function invalidInput(errors: InvalidPart[]): HttpProblem {
  const first = errors[0];
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const detail =
    first === undefined
      ? 'the request is not valid'
      : `${first.path === '' ? 'body' : first.path}: ${first.message}${more}`;
  return new HttpProblem(422, 'invalid-input', detail, { errors });
}
