import { expect, test } from '@jest/globals';
import { wantedServices } from '../../../../src/agent/rules/wanted-service';

function apps(...services: unknown[]): object {
  return { '7': { appName: 'shop', services } };
}
function specOf(service: object): string | undefined {
  return wantedServices(apps({ serviceId: 1, imageName: 'redis:7', ...service })).usable[0]?.spec;
}

test('a service that cannot be read does not stop the others', () => {
  const { usable, unusable } = wantedServices({
    ...apps(
      { serviceId: 1, imageName: 'redis:7' },
      { serviceId: 2, config: { image: 'redis:7' } },
      { serviceName: 'web', imageName: 'web:1', config: { ports: ['x'] } },
      { serviceId: '1', imageName: 'other:1' },
      'nonsense',
    ),
    '8': 'nonsense',
    '9': { services: [{ imageName: 'web:1' }] },
  });
  expect(usable.map(({ key, imageName }) => [key, imageName])).toEqual([
    ['7/1', 'redis:7'],
    ['9/0', 'web:1'],
  ]);
  expect(unusable.map(({ key, problem }) => [key, problem])).toEqual([
    ['7/2', 'imageName: the reference is empty'],
    ['7/web', 'config.ports.0: is a port such as 8080:80'],
    ['7/1', 'another service of the app has the same id'],
    ['7/4', 'imageName: the reference is empty'],
  ]);
});

test.each([undefined, null, [], 'x', 7])('apps of %j hold no service', (given) => {
  expect(wantedServices(given)).toEqual({ usable: [], unusable: [] });
});

test('a spec is of what the container is made from: neither the order of keys nor its probes change it', () => {
  const spec = specOf({ config: { environment: { A: '1', B: '2' }, ports: ['80:80'] } });
  expect(specOf({ config: { ports: ['80:80'], environment: { B: '2', A: '1' } } })).toBe(spec);
  expect(
    specOf({
      config: {
        ports: ['80:80'],
        environment: { B: '2', A: '1' },
        image: 'redis:8',
        readinessProbe: { type: 'tcp', port: 80 },
      },
    }),
  ).toBe(spec);
  expect(specOf({ config: { ports: ['80:80'], environment: { B: '3', A: '1' } } })).not.toBe(spec);
  expect(specOf({ imageName: 'redis:8', config: { ports: ['80:80'], environment: { A: '1', B: '2' } } })).not.toBe(
    spec,
  );
});
