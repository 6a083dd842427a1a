import type { Engine } from '../../../src/agent/engine';
import { labels, type ContainerBody } from '../../../src/agent/rules/container-body';
import type { SeenContainer } from '../../../src/agent/rules/seen-container';
import { seen } from './rules/seen';

/** Thrown instead of the effect that would have been the next one: the agent was killed there. */
export class Killed extends Error {}

/** A container engine in memory. What it does to containers is written down; images of `bad` exit as soon as they start. */
export class FakeEngine implements Engine {
  readonly effects: string[] = [];
  readonly bad = new Set<string>();
  /** Images that are refused when they are to be started. */
  readonly refused = new Set<string>();
  /** Dies instead of the effect after so many. */
  diesAfter = Number.POSITIVE_INFINITY;
  dead = false;
  #containers: SeenContainer[] = [];
  #made = 0;

  containers(): Promise<SeenContainer[]> {
    return Promise.resolve(this.#containers.map((container) => ({ ...container })));
  }

  image(reference: string): Promise<{ id: string; repoDigests: string[]; digest: null }> {
    return Promise.resolve({ id: `image of ${reference}`, repoDigests: [], digest: null });
  }

  /** Set by a test that wants a say in how a pull ends. */
  onPull: (reference: string, signal: AbortSignal) => Promise<null> = () => Promise.resolve(null);

  pull(reference: string, _auth: unknown, signal: AbortSignal): Promise<null> {
    this.effect(`pull ${reference}`);
    return this.onPull(reference, signal);
  }

  create(name: string, body: ContainerBody): Promise<void> {
    this.effect(`create ${body.Image}`);
    const given = body.Labels;
    const key = given[labels.service] ?? '';
    this.#made += 1;
    this.#containers.push(
      seen({
        ...{ id: name, name, key, spec: given[labels.spec] ?? '', imageName: body.Image, state: 'created' },
        ...{ createdAtMs: this.#made, hostNetwork: body.HostConfig.NetworkMode === 'host' },
      }),
    );
    return Promise.resolve();
  }

  start(id: string): Promise<void> {
    const container = this.#find(id);
    this.effect(`start ${container.imageName}`);
    if (this.refused.has(container.imageName))
      return Promise.reject(Object.assign(new Error('port is already allocated'), { statusCode: 500 }));
    const bad = this.bad.has(container.imageName);
    Object.assign(container, {
      state: bad ? 'exited' : 'running',
      exitCode: bad ? 3 : 0,
      startedAtMs: Date.now() - 60_000,
    });
    return Promise.resolve();
  }

  stop(id: string): Promise<void> {
    const container = this.#find(id);
    this.effect(`stop ${container.imageName}`);
    container.state = 'exited';
    return Promise.resolve();
  }

  remove(id: string): Promise<void> {
    this.effect(`remove ${this.#find(id).imageName}`);
    this.#containers = this.#containers.filter((container) => container.id !== id);
    return Promise.resolve();
  }

  exec(): Promise<number> {
    return Promise.resolve(0);
  }
  ensureNetwork(): Promise<void> {
    return Promise.resolve();
  }
  connect(): Promise<void> {
    return Promise.resolve();
  }

  /** Also for what is written to the disk: every effect is a place to die at. */
  effect(text: string): void {
    this.dead ||= this.effects.length >= this.diesAfter;
    if (this.dead) throw new Killed(text);
    this.effects.push(text);
  }

  #find(id: string): SeenContainer {
    const container = this.#containers.find((one) => one.id === id);
    if (container === undefined) throw new Error(`no container ${id}`);
    return container;
  }
}
