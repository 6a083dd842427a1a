import type { Repaired } from './repair';

const AGREES = 'Nothing to repair: the database and Temporal agree.\n';

/** What was found, one paragraph each: reasons are sentences, and would make a table wider than any terminal. */
export function report(repaired: readonly Repaired[], applied: boolean): string {
  if (repaired.length === 0) return AGREES;
  const paragraphs = repaired.map(({ what, which, why, does, done, failed }) =>
    [
      `${what}  ${which}`,
      `  found  ${why}`,
      done === null ? `  would  ${wouldOf(does)}` : `  ${failed ? 'FAILED' : 'done'.padEnd(5)}  ${done}`,
    ].join('\n'),
  );
  return `${paragraphs.join('\n')}\n\n${endOf(repaired, applied)}\n`;
}

function endOf(repaired: readonly Repaired[], applied: boolean): string {
  const found = `${repaired.length} found`;
  if (!applied) return `${found}, nothing changed. Do it with: fleetwave repair --apply`;
  const failed = repaired.filter((one) => one.failed).length;
  return failed === 0 ? `${found}, all done.` : `${found}, ${failed} failed: run it again.`;
}

/** `starts ...` reads `would start ...`. */
function wouldOf(does: string): string {
  return does.replace(/^(\w+?)s\b/, '$1').replace(/, and (\w+?)s\b/, ', and $1');
}
