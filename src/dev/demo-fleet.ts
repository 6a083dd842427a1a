import { createHash } from 'node:crypto';

/** What a device of the demo runs; `apps` as an operator would have written it. */
export interface DemoDevice {
  name: string;
  apps: object;
}

export const AFFECTED_DEVICES = 200;

/**
 * A fleet as fleets are: devices on several previous tags, pinned or not, with the image in `imageName`, in `config.image`
 * or in both, and some with two services of it. Each has to go back to exactly what it had.
 */
export function affectedDevices(image: string): DemoDevice[] {
  const digest = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
  const nginx = {
    serviceId: 9,
    serviceName: 'web',
    imageName: 'nginx:1.27',
    config: { image: 'nginx:1.27', ports: ['80:80'] },
  };
  const shapes: (() => object[])[] = [
    () => [{ serviceId: 1, serviceName: 'cache', imageName: `${image}:7.0`, config: { ports: ['6379:6379'] } }],
    () => [{ serviceId: 1, serviceName: 'cache', config: { image: `${image}:7.2`, ports: ['6379:6379'] } }],
    () => [{ serviceId: 1, serviceName: 'cache', imageName: `${image}:7.2.4`, config: { image: `${image}:7.2.4` } }],
    () => [
      { serviceName: 'cache', imageName: `${image}:7.0@${digest('7.0')}`, config: { restart: 'unless-stopped' } },
      nginx,
    ],
    () => [{ serviceId: 1, serviceName: 'cache', imageName: `${image}@${digest('6.2')}` }],
    () => [
      { serviceId: 1, serviceName: 'cache', imageName: `${image}:6.2` },
      {
        serviceId: 2,
        serviceName: 'queue',
        imageName: `${image}:7.2`,
        config: { image: `${image}:7.2`, ports: ['6380:6379'] },
      },
    ],
  ];
  return Array.from({ length: AFFECTED_DEVICES }, (_, index) => ({
    name: `demo-${String(index + 1).padStart(3, '0')}`,
    apps: { '1002': { appId: 1002, appName: 'edge', services: shapes[index % shapes.length]?.() ?? [] } },
  }));
}

/** Images whose names only look like the released one: matching by text would have caught them. */
export function lookAlikes(image: string): DemoDevice[] {
  const others = [
    `${image}-exporter:7.2`,
    `acme/${image.split('/').at(-1)}:7.2`,
    `registry.example.com:5000/${image.split('/').at(-1)}:7.2`,
    'nginx:7.2',
  ];
  return others.map((imageName, index) => ({
    name: `look-alike-${index + 1}`,
    apps: { '1002': { appId: 1002, appName: 'edge', services: [{ serviceId: 1, serviceName: 'cache', imageName }] } },
  }));
}
