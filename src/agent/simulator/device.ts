import { backOffMs } from '../back-off';
import type { Containers } from './containers';
import type { HttpClient } from '../http-client';
import { between, type Random } from '../random';
import { parseTargetState } from './target-state';

export interface DeviceOptions {
  uuid: string;
  apiKey: string;
  client: HttpClient;
  containers: Containers;
  random: Random;
  pollIntervalMs: number;
  /** A report without news is sent this often; one with news at once. */
  reportIntervalMs: number;
  /** How long a poll may be held; 0 for plain polls. */
  waitSeconds: number;
  offline: OfflineTimes | undefined;
  now: () => number;
}

/** Now and then the device is off for a while: neither heard nor hearing, its containers going on. */
export interface OfflineTimes {
  everyMs: number;
  forMs: number;
  /** Where in its cycle the device begins. */
  phaseMs: number;
}

const SHORT_PAUSE_MS = 500;

/** Shared by the devices of a fleet, which only add to it. */
export interface Traffic {
  polls: number;
  notModified: number;
  reports: number;
  /** Requests without an answer, or with one that is neither 2xx nor 304. */
  errors: number;
  lastError: string | null;
}

/**
 * One device as the server sees it: it polls with its ETag and key, lets its containers follow the target, and reports.
 * `step` is called when `wakeAt` has come; it never throws, because a device outlives every error of the server.
 */
export class SimulatedDevice {
  readonly uuid: string;
  readonly containers: Containers;
  wakeAt: number;
  readonly #options: DeviceOptions;
  readonly #traffic: Traffic;
  #etag: string | undefined;
  #apps: string | undefined;
  #version: number | undefined;
  #pollAt: number;
  #reportAt = Number.POSITIVE_INFINITY;
  #failures = 0;

  constructor(options: DeviceOptions, traffic: Traffic, now: number) {
    this.uuid = options.uuid;
    this.containers = options.containers;
    this.#options = options;
    this.#traffic = traffic;
    // Spread over one interval, so that a fleet switched on together does not poll in step.
    this.#pollAt = now + options.random() * options.pollIntervalMs;
    this.wakeAt = this.#pollAt;
  }

  async step(now: number): Promise<void> {
    if (this.containers.advance(now)) this.#reportAt = now;
    this.containers.silentUntil = Math.max(this.containers.silentUntil, offlineUntil(this.#options.offline, now));
    if (now >= this.containers.silentUntil) {
      try {
        // A report that is due would wait for as long as a poll is held.
        if (this.#options.waitSeconds > 0 && now >= this.#reportAt) await this.#report(now);
        if (now >= this.#pollAt) await this.#poll(now);
        if (now >= this.#reportAt && now >= this.containers.silentUntil) await this.#report(now);
        // What takes no time has happened: only the fleet's queue, which is no part of a device, would delay the word of it.
        if (this.containers.advance(now) && now >= this.containers.silentUntil) await this.#report(now);
      } catch (error) {
        this.#backOff(now, error instanceof Error ? error.message : String(error));
      }
    }
    const awake = Math.min(this.#pollAt, this.#reportAt, this.containers.nextChangeAt());
    this.wakeAt = Math.max(awake, Math.min(this.containers.silentUntil, this.containers.nextChangeAt()));
  }

  async #poll(now: number): Promise<void> {
    this.#traffic.polls += 1;
    const { client, uuid, pollIntervalMs, random } = this.#options;
    const conditional =
      this.#etag === undefined ? {} : { 'if-none-match': this.#etag, 'cache-control': 'no-cache', pragma: 'no-cache' };
    const wait = this.#waitSeconds(now);
    const answer = await client.send({
      method: 'GET',
      path: `/api/v1/device/${uuid}/state${wait > 0 ? `?wait=${wait}` : ''}`,
      headers: { ...this.#headers(), ...conditional },
    });
    if (answer.status !== 200 && answer.status !== 304)
      throw new Error(`poll answered ${answer.status}: ${answer.body.slice(0, 200)}`);
    this.#failures = 0;
    // A poll that was held has taken its time, and one that was too short to be held is soon followed by another.
    const answeredAt = wait > 0 ? this.#options.now() : now;
    const pause = this.#options.waitSeconds > 0 ? (wait > 0 ? 0 : SHORT_PAUSE_MS) : pollIntervalMs;
    this.#pollAt = answeredAt + pause * between(random, 0.9, 1.1);
    if (answer.retryAfterSeconds !== undefined) this.#pollAt = answeredAt + answer.retryAfterSeconds * 1000;
    if (answer.status === 304) this.#traffic.notModified += 1;
    else this.#take(answer.body, answer.etag, answeredAt);
  }

  /** No longer than until it has something else to do. */
  #waitSeconds(now: number): number {
    const { waitSeconds, offline } = this.#options;
    if (waitSeconds === 0 || this.#etag === undefined) return 0;
    const next = Math.min(this.#reportAt, this.containers.nextChangeAt(), nextOfflineAt(offline, now));
    return Math.max(0, Math.min(waitSeconds, Math.floor((next - now) / 1000)));
  }

  /** As the field's agents do, compares `apps` by text and not the ETag: the same apps announced again change nothing. */
  #take(body: string, etag: string | undefined, now: number): void {
    const target = parseTargetState(body, this.uuid);
    const apps = JSON.stringify(target.apps);
    if (apps !== this.#apps && this.containers.apply(target.apps, now)) this.#apps = apps;
    this.#etag = etag;
    this.#version = target.version;
    this.#reportAt = now;
  }

  async #report(now: number): Promise<void> {
    this.#traffic.reports += 1;
    const state = {
      apps: this.containers.report(),
      is_online: true,
      ...(this.#version === undefined ? {} : { version: this.#version }),
    };
    const answer = await this.#options.client.send({
      method: 'PATCH',
      path: '/api/v1/device/state',
      headers: this.#headers(),
      body: JSON.stringify({ [this.uuid]: state }),
    });
    if (answer.status >= 300) throw new Error(`report answered ${answer.status}: ${answer.body.slice(0, 200)}`);
    this.#failures = 0;
    this.#reportAt = now + this.#options.reportIntervalMs * between(this.#options.random, 0.9, 1.1);
  }

  #headers(): Record<string, string> {
    return { 'content-type': 'application/json', 'x-device-api-key': this.#options.apiKey };
  }

  /** What was due stays due, but later: twice as late with each failure, and never in step with the rest of the fleet. */
  #backOff(now: number, message: string): void {
    this.#traffic.errors += 1;
    this.#traffic.lastError = message;
    const { pollIntervalMs, random } = this.#options;
    const wait = backOffMs(this.#failures, pollIntervalMs, random);
    this.#failures = Math.min(this.#failures + 1, 20);
    const retryAt = now + wait;
    this.#pollAt = Math.max(this.#pollAt, retryAt);
    if (this.#reportAt < retryAt) this.#reportAt = retryAt;
  }
}

/** The end of the offline time that it is in; before `now` when it is in none. */
function offlineUntil(offline: OfflineTimes | undefined, now: number): number {
  if (offline === undefined) return 0;
  const place = (now + offline.phaseMs) % offline.everyMs;
  return place < offline.forMs ? now + offline.forMs - place : 0;
}

function nextOfflineAt(offline: OfflineTimes | undefined, now: number): number {
  if (offline === undefined) return Number.POSITIVE_INFINITY;
  return now + offline.everyMs - ((now + offline.phaseMs) % offline.everyMs);
}
