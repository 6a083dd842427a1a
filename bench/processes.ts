import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Stack } from '../src/dev/stack';

/** Linux counts a process's time in hundredths of a second, whatever its kernel's clock does (`getconf CLK_TCK`). */
const TICKS_A_SECOND = 100;

export const parts = ['api', 'worker', 'postgres', 'temporal'] as const;
export type Part = (typeof parts)[number];
export type CpuSeconds = Record<Part, number>;

/** CPU seconds each server has used up to now, the processes it started and has ended included. */
export function cpuSeconds(stack: Stack): CpuSeconds {
  const all = readProcesses();
  return Object.fromEntries(parts.map((part) => [part, cpuOf(pidOf(stack, part), all)])) as CpuSeconds;
}

export function cpuBetween(before: CpuSeconds, after: CpuSeconds): CpuSeconds {
  return Object.fromEntries(parts.map((part) => [part, after[part] - before[part]])) as CpuSeconds;
}

export function cpuWords(cpu: CpuSeconds): string {
  return parts.map((part) => `${part} ${cpu[part].toFixed(1)}`).join(', ');
}

/** CPU seconds of one process and its children. */
export function cpuOfProcess(pid: number): number {
  return cpuOf(pid, readProcesses());
}

/** From here on `peakMegabytes` knows only what comes. */
export function forgetPeak(stack: Stack): void {
  for (const part of parts) writeFileSync(`/proc/${pidOf(stack, part)}/clear_refs`, '5');
}

/** The most memory a server's own process held; PostgreSQL's are many that share most of theirs, so its number says little. */
export function peakMegabytes(stack: Stack, part: Part): number {
  return peakMegabytesOf(pidOf(stack, part));
}

export function peakMegabytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1024);
}

export function pidOf(stack: Stack, part: Part): number {
  const handle = stack[part];
  if (handle === undefined) throw new Error(`${part} is not a server of this stack`);
  return handle.pid;
}

/** Processes that this one has started and that still run. */
export function childrenOf(pid: number): number[] {
  return readProcesses()
    .filter(({ parent }) => parent === pid)
    .map((child) => child.pid);
}

interface ProcessFacts {
  pid: number;
  parent: number;
  ticks: number;
}

function readProcesses(): ProcessFacts[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // The second field is the program's name in brackets, which may hold anything.
        const text = readFileSync(`/proc/${name}/stat`, 'utf8');
        const fields = text
          .slice(text.lastIndexOf(')') + 2)
          .split(' ')
          .map(Number);
        const ticks = fields.slice(11, 15).reduce((sum, value) => sum + value, 0);
        return [{ pid: Number(name), parent: fields[1] ?? 0, ticks }];
      } catch {
        return [];
      }
    });
}

function cpuOf(pid: number, all: readonly ProcessFacts[]): number {
  const own = all.find((process) => process.pid === pid)?.ticks ?? 0;
  const children = all.filter(({ parent }) => parent === pid).map((child) => cpuOf(child.pid, all));
  return children.reduce((sum, seconds) => sum + seconds, own / TICKS_A_SECOND);
}
