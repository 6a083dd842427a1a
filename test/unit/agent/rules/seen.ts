import type { SeenContainer } from '../../../../src/agent/rules/seen-container';

/** A container of a service as an engine shows it; give what matters. */
export function seen(given: Partial<SeenContainer> = {}): SeenContainer {
  const spec = given.spec ?? 'new';
  return {
    ...{ id: `id-${spec}`, name: `container-${spec}`, key: '1/1', spec, imageName: `app:${spec}` },
    ...{ state: 'running', exitCode: 0, restart: 'unless-stopped', restarts: 0, createdAtMs: 0, startedAtMs: 0 },
    ...{ engineHealth: null, imageId: `image-${spec}`, hostNetwork: false, hostPorts: [], writes: [], address: null },
    ...given,
  };
}
