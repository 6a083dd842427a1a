import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** How long a leftover may take to end after SIGTERM before it is killed. */
const LEFTOVER_LIMIT_MS = 5000;

/** The command line of a living process, undefined when there is none. A zombie counts as gone. */
export function commandLineOf(pid: number): string | undefined {
  try {
    if (existsSync('/proc/self/cmdline')) {
      const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      return text === '' ? undefined : text;
    }
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}

/** A process id is reused sooner or later, so a process is known by its id together with its command line. */
interface Remembered {
  name: string;
  pid: number;
  command: string;
}

/**
 * Writes down which processes run for a data directory, so that the next start can end those a killed parent left behind.
 */
export class ProcessRecord {
  readonly #path: string;
  #entries: Remembered[] = [];

  constructor(directory: string) {
    this.#path = join(directory, 'processes.json');
  }

  add(name: string, pid: number): void {
    this.#entries = [
      ...this.#entries.filter((entry) => entry.name !== name),
      { name, pid, command: commandLineOf(pid) ?? '' },
    ];
    this.#save();
  }

  remove(pid: number): void {
    this.#entries = this.#entries.filter((entry) => entry.pid !== pid);
    this.#save();
  }

  /** Ends what an earlier owner of the directory left running; answers their names. */
  async endLeftovers(): Promise<string[]> {
    const found = readRecord(this.#path).filter(
      (entry) => entry.command !== '' && commandLineOf(entry.pid) === entry.command,
    );
    for (const entry of found) await endProcess(entry.pid, entry.command, 'SIGTERM');
    rmSync(this.#path, { force: true });
    return found.map((entry) => entry.name);
  }

  /** For a forced end: kills at once whatever runs for the directory. */
  killRecorded(): void {
    for (const { pid, command } of readRecord(this.#path)) {
      if (command !== '' && commandLineOf(pid) === command) process.kill(pid, 'SIGKILL');
    }
  }

  #save(): void {
    writeFileSync(this.#path, JSON.stringify(this.#entries, undefined, 2));
  }
}

function readRecord(path: string): Remembered[] {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Remembered[];
  } catch {
    return [];
  }
}

/** Ends a process that is not our child, as long as it still is the one meant. */
export async function endProcess(pid: number, command: string, signal: NodeJS.Signals): Promise<void> {
  const deadline = performance.now() + LEFTOVER_LIMIT_MS;
  let next: NodeJS.Signals | undefined = signal;
  while (commandLineOf(pid) === command) {
    if (next === undefined && performance.now() > deadline) next = 'SIGKILL';
    if (next !== undefined) {
      try {
        process.kill(pid, next);
      } catch {
        return;
      }
    }
    next = undefined;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
