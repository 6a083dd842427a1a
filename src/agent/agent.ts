import type { Logger } from '../log';
import { backOffMs } from './back-off';
import type { Engine } from './engine';
import { between, type Random } from './random';
import { blankRecord } from './rules/service-record';
import { reportedApps, unusableState } from './rules/service-report';
import type { SeenContainer } from './rules/seen-container';
import { wantedServices, type WantedServices } from './rules/wanted-service';
import type { ServerLink } from './server-link';
import type { RunnerOptions } from './runner-options';
import { ServiceRunner } from './service-runner';
import type { AgentState, StateFile } from './state-file';
import { Wake } from './wake';

export interface AgentOptions extends Pick<RunnerOptions, 'authFor' | 'lock' | 'lockMode' | 'times'> {
  engine: Engine;
  link: ServerLink;
  /** Makes the device known to the server; called until it has succeeded once. */
  register: () => Promise<void>;
  file: StateFile;
  state: AgentState;
  pollMs: number;
  reportMs: number;
  lookMs: number;
  random: Random;
  log: Logger;
}

/** Where the engine does not answer, it is asked again after this. */
const ENGINE_AWAY_MS = 5000;

/**
 * One device. Three loops that do not wait for each other: it asks for the target state, it brings its containers there, and it
 * reports. Without the server it goes on with what it last knew; without the engine it goes on asking both.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #stopping = new AbortController();
  readonly #look = new Wake();
  readonly #news = new Wake();
  readonly #runners = new Map<string, ServiceRunner>();
  /** What each service is busy with, and since when it has looked at the world as it left it. */
  readonly #busy = new Map<string, Promise<void>>();
  readonly #freshSince = new Map<string, number>();
  #state: AgentState;
  #wanted: WantedServices = { usable: [], unusable: [] };
  #version: number | null = null;
  #loops: Promise<void>[] = [];

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#state = options.state;
    if (this.#state.target !== null) this.#adopt(this.#state.target);
  }

  start(): void {
    this.#loops = [this.#follow(), this.#workLoop(), this.#reportLoop()];
  }

  /** Begins nothing new, ends what is under way and cannot be left half done, then resolves. Containers go on. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the agent is stopped'));
    await Promise.all(this.#loops);
    await Promise.all(this.#busy.values());
  }

  async #follow(): Promise<void> {
    const { link, register, pollMs, random, log } = this.#options;
    const { signal } = this.#stopping;
    const rest = new Wake();
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (!this.#state.registered) {
          await register();
          this.#keep({ ...this.#state, registered: true });
          this.#news.wake();
        }
        const target = await link.target(this.#state.target?.etag ?? null);
        if (target !== null) {
          this.#keep({ ...this.#state, target });
          this.#adopt(target);
          log.info({ version: target.version }, 'a new target state');
        }
        if (failures > 0) log.info('the server answers again');
        failures = 0;
        await rest.wait(pollMs * between(random, 0.9, 1.1), signal);
      } catch (error) {
        log.warn({ err: messageOf(error), failures }, 'the server cannot be asked for the target state');
        await rest.wait(backOffMs(failures, pollMs, random), signal);
        failures = Math.min(failures + 1, 20);
      }
    }
  }

  async #workLoop(): Promise<void> {
    const { engine, lookMs, log } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const listedAt = performance.now();
      let pauseMs = lookMs;
      try {
        const containers = await engine.containers();
        for (const runner of this.#runners.values()) this.#turn(runner, containers, listedAt);
        this.#clearAway(containers, listedAt);
      } catch (error) {
        log.warn({ err: messageOf(error) }, 'the container engine cannot be asked');
        pauseMs = Math.max(ENGINE_AWAY_MS, lookMs);
      }
      await this.#look.wait(pauseMs, signal);
    }
  }

  #turn(runner: ServiceRunner, containers: readonly SeenContainer[], listedAt: number): void {
    const { key } = runner.wanted;
    this.#begin(key, listedAt, () => runner.turn(containers.filter((container) => container.key === key)));
  }

  /** What belongs to a service that is not in the target state any more; of a service that cannot be read, nothing. */
  #clearAway(containers: readonly SeenContainer[], listedAt: number): void {
    const { engine, lock, times, log } = this.#options;
    if (this.#state.target === null || lock() !== null) return;
    const known = new Set([...this.#runners.keys(), ...this.#wanted.unusable.map(({ key }) => key)]);
    for (const { id, key, name } of containers) {
      if (known.has(key)) continue;
      this.#begin(key, listedAt, async () => {
        await engine.stop(id, times.stopSeconds);
        await engine.remove(id);
        log.info({ container: name }, 'removed: its service is not wanted any more');
        return true;
      });
    }
  }

  /** One thing at a time for each service, on a list that is newer than the last thing. */
  #begin(key: string, listedAt: number, work: () => Promise<boolean>): void {
    if (this.#busy.has(key) || listedAt < (this.#freshSince.get(key) ?? 0)) return;
    const done = work()
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted)
          this.#options.log.error({ service: key, err: messageOf(error) }, 'a step did not work; it is tried again');
        return false;
      })
      .then((changed) => {
        this.#busy.delete(key);
        this.#freshSince.set(key, performance.now());
        if (changed) this.#look.wake();
      });
    this.#busy.set(key, done);
  }

  async #reportLoop(): Promise<void> {
    const { link, reportMs, pollMs, random, log } = this.#options;
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      if (!this.#state.registered) {
        await this.#news.wait(reportMs, signal);
        continue;
      }
      try {
        await link.report({ apps: this.#report(), version: this.#version });
        failures = 0;
        await this.#news.wait(reportMs * between(random, 0.9, 1.1), signal);
      } catch (error) {
        log.warn({ err: messageOf(error), failures }, 'the report did not arrive; the next one holds all that it held');
        // Not woken by news: a server that is away is not asked faster because much happens here.
        await new Wake().wait(backOffMs(failures, pollMs, random), signal);
        failures = Math.min(failures + 1, 20);
      }
    }
  }

  #report(): ReturnType<typeof reportedApps> {
    const running = [...this.#runners.values()].map(({ wanted, state }) => ({ service: wanted, state }));
    const unusable = this.#wanted.unusable.map((service) => ({ service, state: unusableState(service) }));
    return reportedApps([...running, ...unusable]);
  }

  #adopt({ apps, version }: NonNullable<AgentState['target']>): void {
    this.#wanted = wantedServices(apps);
    this.#version = version;
    const keys = new Set(this.#wanted.usable.map(({ key }) => key));
    for (const [key, runner] of this.#runners) {
      if (keys.has(key)) continue;
      runner.giveUpPull();
      this.#runners.delete(key);
    }
    for (const wanted of this.#wanted.usable) {
      const runner = this.#runners.get(wanted.key);
      if (runner === undefined)
        this.#runners.set(wanted.key, new ServiceRunner(wanted, version, this.#runnerOptions(wanted.key)));
      else runner.want(wanted, version);
    }
    this.#look.wake();
    this.#news.wake();
  }

  #runnerOptions(key: string): RunnerOptions {
    return {
      ...this.#options,
      deviceUuid: this.#state.uuid,
      readRecord: () => this.#state.services[key] ?? blankRecord,
      writeRecord: (record) => {
        this.#keep({ ...this.#state, services: { ...this.#state.services, [key]: record } });
      },
      onState: () => this.#news.wake(),
      signal: this.#stopping.signal,
    };
  }

  /** What could not be written is not known: with the ETag of a target that was not taken, the server would not send it again. */
  #keep(state: AgentState): void {
    this.#options.file.write(state);
    this.#state = state;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
