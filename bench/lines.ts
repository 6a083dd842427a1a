import { drawTable } from '../src/cli/table';
import { round } from './statistics';

/** A limit of the design's budget that a ratio or a count is held against. */
export interface Budget {
  measured: number;
  limit: number;
  /** In the budget's own words: `at most 3 times a bare UPDATE`. */
  text: string;
}

/** What a measurement has to say: a sentence for people, its numbers for programs. */
export interface Line {
  what: string;
  value: string;
  numbers: Record<string, number>;
  budget?: Budget;
}

/** Every budget here is an upper limit; what could not be measured keeps none. */
export function isKept({ measured, limit }: Budget): boolean {
  return measured <= limit;
}

export function drawLines(lines: readonly Line[]): string {
  return drawTable(
    ['what', 'measured'],
    lines.map(({ what, value }) => [what, value]),
  );
}

export function drawBudget(lines: readonly Line[]): string {
  const rows = lines.flatMap(({ what, budget }) =>
    budget === undefined ? [] : [[what, budget.text, String(round(budget.measured)), isKept(budget) ? 'yes' : 'NO']],
  );
  return drawTable(['what', 'budget', 'measured', 'kept?'], rows);
}
