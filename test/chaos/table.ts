import { faultName, faultNames } from './plan';
import type { RunResult } from './run';

const SHOWN = 20;

/** One line a run, and what it broke. */
export function drawRuns(results: readonly RunResult[]): string {
  return results
    .map(({ seed, devices, faults, ends, events, seconds, broken }) => {
      const head = `seed ${seed}, ${devices} devices, ${Math.round(seconds)} s, ${events} events: ${broken.length === 0 ? 'all holds' : `${broken.length} BROKEN`}`;
      const details = [`faults: ${faults.join(', ')}`, `rollouts: ${ends.join(', ')}`];
      const more = broken.length > SHOWN ? [`... and ${broken.length - SHOWN} more`] : [];
      return `${[head, ...details, ...broken.slice(0, SHOWN), ...more].join('\n  ')}\n`;
    })
    .join('');
}

/** Which faults were made, in how many runs, and how many of these kept all promises; and which cannot be made here. Markdown. */
export function drawTable(results: readonly RunResult[], noDisk: string | null): string {
  const lines = faultNames.flatMap(([kind, target]) => {
    const name = faultName({ kind, ...(target === undefined ? {} : { target }) });
    const affected = results.filter(({ faults }) => faults.includes(name));
    const survived = affected.filter(({ broken }) => broken.length === 0);
    if (affected.length === 0 && (kind !== 'full disk' || noDisk === null)) return [];
    const made = affected.flatMap(({ faults }) => faults.filter((fault) => fault === name)).length;
    const why = kind === 'full disk' && noDisk !== null ? `not made: ${noDisk}` : String(affected.length);
    return `| ${name} | ${made} | ${why} | ${survived.length} | ${affected.map(({ seed }) => seed).join(' ')} |`;
  });
  const held = results.filter(({ broken }) => broken.length === 0).length;
  return [
    '| fault | times | runs | survived | seeds |',
    '| --- | --- | --- | --- | --- |',
    ...lines,
    `| all | ${results.flatMap(({ faults }) => faults).length} | ${results.length} | ${held} | |`,
    '',
  ].join('\n');
}
