import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { childrenOf } from '../processes';
import type { HeapSample, ProcessSample } from './sample';

const KB_A_MB = 1024;
const BYTES_A_MB = 1024 * 1024;

/** One process by itself: everything that it has mapped and touched counts. */
export function sampleProcess(pid: number): ProcessSample {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return { memoryMb: field(status, 'VmRSS') / KB_A_MB, threads: field(status, 'Threads'), ...filesOf(pid) };
}

/** PostgreSQL's processes together, by memory that no other shares. One that ends meanwhile counts no more. */
export function samplePostgres(pid: number): ProcessSample {
  const samples = [pid, ...childrenOf(pid)].flatMap((one) => {
    try {
      const rollup = readFileSync(`/proc/${one}/smaps_rollup`, 'utf8');
      return [{ memoryMb: field(rollup, 'Pss_Anon') / KB_A_MB, threads: 1, ...filesOf(one) }];
    } catch {
      return [];
    }
  });
  const sum = (key: keyof ProcessSample): number => samples.reduce((total, sample) => total + sample[key], 0);
  return {
    memoryMb: sum('memoryMb'),
    openFiles: sum('openFiles'),
    sockets: sum('sockets'),
    threads: sum('threads'),
  };
}

/** What the probe in each thread of a process last told; undefined before the first has. */
export function sampleHeap(probes: string, pid: number): HeapSample | undefined {
  const told = readdirSync(probes)
    .filter((name) => name.startsWith(`${pid}-`) && name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(probes, name), 'utf8')) as ProbeFile);
  if (told.length === 0) return undefined;
  const sum = (read: (probe: ProbeFile) => number): number => told.reduce((total, probe) => total + read(probe), 0);
  return {
    usedMb: sum(({ heapUsed }) => heapUsed) / BYTES_A_MB,
    externalMb: sum(({ external }) => external) / BYTES_A_MB,
    heldMb: told.some(({ heldBytes }) => heldBytes === null)
      ? null
      : sum(({ heldBytes }) => heldBytes ?? 0) / BYTES_A_MB,
    resources: sum(({ resources }) => Object.values(resources).reduce((total, count) => total + count, 0)),
  };
}

interface ProbeFile {
  heapUsed: number;
  external: number;
  heldBytes: number | null;
  resources: Record<string, number>;
}

function filesOf(pid: number): { openFiles: number; sockets: number } {
  const links = readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${name}`)];
    } catch {
      // Closed since it was listed.
      return [];
    }
  });
  return { openFiles: links.length, sockets: links.filter((link) => link.startsWith('socket:')).length };
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN);
}
