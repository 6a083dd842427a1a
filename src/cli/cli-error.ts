/** Documented in `fleetwave --help`; scripts depend on them. */
export const exitCodes = { done: 0, refused: 1, usage: 2, otherEnd: 3 } as const;

/** Something the user can act on: printed as it is, without a stack. The message names the remedy. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.refused) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What came of a call of the API. */
export class ApiError extends CliError {
  /** Of its answer; null where there was none. */
  readonly status: number | null;

  constructor(message: string, status: number | null) {
    super(message);
    this.status = status;
  }
}
