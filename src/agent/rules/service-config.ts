import { z } from 'zod';

/** `8080`, `8080:80`, `127.0.0.1:8080:80/udp`: as compose files have them. */
const portPattern = /^(?:(?:(\d{1,3}(?:\.\d{1,3}){3}):)?(\d{1,5}):)?(\d{1,5})(?:\/(tcp|udp|sctp))?$/;
const amountPattern = /^(\d+(?:\.\d+)?)([kmgKMG]?)i?[bB]?$/;
const processorPattern = /^(\d+(?:\.\d+)?)(m?)$/;
const durationPattern = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$/;

export interface PublishedPort {
  hostAddress: string | null;
  hostPort: number | null;
  containerPort: number;
  protocol: 'tcp' | 'udp' | 'sctp';
}

export interface Probe {
  /** What it is asked for: `ready` decides about an update, `live` also about a restart later on. */
  purpose: 'startup' | 'ready' | 'live';
  check:
    | { kind: 'http'; path: string; port: number; secure: boolean }
    | { kind: 'tcp'; port: number }
    | { kind: 'exec'; command: readonly string[] };
  initialDelayMs: number;
  periodMs: number;
  timeoutMs: number;
  successThreshold: number;
  failureThreshold: number;
}

const port = z.number().int().min(1).max(65535);
const seconds = z.number().min(0).max(86_400);
const FieldProbe = z
  .object({
    type: z.enum(['http', 'tcp', 'exec']),
    path: z.string().startsWith('/').max(2000).default('/'),
    port: port.optional(),
    scheme: z.enum(['http', 'https', 'HTTP', 'HTTPS']).default('http'),
    command: z.array(z.string()).min(1).max(100).optional(),
    initialDelaySeconds: seconds.default(0),
    // Kubernetes' defaults, which the field's late agent has, too.
    periodSeconds: seconds.default(10),
    timeoutSeconds: seconds.default(1),
    successThreshold: z.number().int().min(1).max(100).default(1),
    failureThreshold: z.number().int().min(1).max(1000).default(3),
  })
  .refine((probe) => (probe.type === 'exec' ? probe.command !== undefined : probe.port !== undefined), {
    error: 'needs a `port`, or a `command` where its type is exec',
  });

const duration = z.string().regex(durationPattern, 'is a duration such as 30s or 1m30s').transform(durationMs);
/** A compose file's. It is asked by the agent, because not every engine has a scheduler for it. */
const Healthcheck = z.object({
  test: z.union([z.string(), z.array(z.string()).min(1)]),
  interval: duration.default(30_000),
  timeout: duration.default(30_000),
  retries: z.number().int().min(1).max(1000).default(3),
  start_period: duration.default(0),
});

const text = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const Quantities = z.object({
  cpu: text.pipe(z.string().regex(processorPattern, 'is a number of processors, such as 0.5 or 500m')).optional(),
  memory: text.pipe(z.string().regex(amountPattern, 'is an amount of memory, such as 256m or 1Gi')).optional(),
});

/** What the agent reads of a service's `config`; everything else is left to other readers. */
const Config = z.object({
  ports: z
    .array(text.pipe(z.string().regex(portPattern, 'is a port such as 8080:80')))
    .max(200)
    .default([]),
  environment: z
    .union([z.record(z.string().min(1), text), z.array(z.string().regex(/^[^=]+/)).transform(environmentOfList)])
    .default({}),
  volumes: z
    .array(z.string().regex(/^[^:]+:\/[^:]*(?::[a-z,]+)?$/, 'is a volume such as data:/data'))
    .max(200)
    .default([]),
  networks: z
    .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/))
    .max(20)
    .default([]),
  networkMode: z.string().max(200).optional(),
  restart: z
    .string()
    .regex(/^(?:no|always|unless-stopped|on-failure(?::\d{1,4})?)$/)
    .default('unless-stopped'),
  labels: z.record(z.string(), text).default({}),
  command: z.union([z.string().transform((line) => ['/bin/sh', '-c', line]), z.array(z.string())]).optional(),
  resources: z.object({ limits: Quantities.optional() }).optional(),
  startupProbe: FieldProbe.optional(),
  readinessProbe: FieldProbe.optional(),
  livenessProbe: FieldProbe.optional(),
  healthcheck: Healthcheck.optional(),
});

/** How a service's container is made and judged, whatever its image. */
export interface ServiceConfig {
  ports: readonly PublishedPort[];
  environment: Readonly<Record<string, string>>;
  volumes: readonly string[];
  networks: readonly string[];
  networkMode: string | null;
  restart: string;
  labels: Readonly<Record<string, string>>;
  command: readonly string[] | null;
  memoryBytes: number | null;
  nanoProcessors: number | null;
  probes: readonly Probe[];
}

export type ParsedServiceConfig = { ok: true; config: ServiceConfig } | { ok: false; problem: string };

/** Reads the `config` of a service; a problem names the field, and concerns this service alone. */
export function parseServiceConfig(given: unknown): ParsedServiceConfig {
  const parsed = Config.safeParse(given ?? {});
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { ok: false, problem: `config.${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'cannot be read'}` };
  }
  const { data } = parsed;
  const limits = data.resources?.limits;
  return {
    ok: true,
    config: {
      ports: data.ports.map(publishedPort),
      environment: data.environment,
      volumes: data.volumes,
      networks: data.networks,
      networkMode: data.networkMode ?? null,
      restart: data.restart,
      labels: data.labels,
      command: data.command ?? null,
      memoryBytes: limits?.memory === undefined ? null : memoryBytes(limits.memory),
      nanoProcessors: limits?.cpu === undefined ? null : nanoProcessors(limits.cpu),
      probes: [
        ...fieldProbe('startup', data.startupProbe),
        ...fieldProbe('ready', data.readinessProbe),
        ...fieldProbe('live', data.livenessProbe),
        ...healthcheckProbe(data.healthcheck),
      ],
    },
  };
}

function publishedPort(given: string): PublishedPort {
  const [, hostAddress, hostPort, containerPort, protocol] = portPattern.exec(given) ?? [];
  return {
    hostAddress: hostAddress ?? null,
    hostPort: hostPort === undefined ? null : Number(hostPort),
    containerPort: Number(containerPort),
    protocol: (protocol ?? 'tcp') as PublishedPort['protocol'],
  };
}

function fieldProbe(purpose: Probe['purpose'], probe: z.infer<typeof FieldProbe> | undefined): Probe[] {
  if (probe === undefined) return [];
  const { type, path, port: target = 0, command = [] } = probe;
  const secure = probe.scheme.toLowerCase() === 'https';
  const check =
    type === 'http'
      ? { kind: type, path, port: target, secure }
      : type === 'tcp'
        ? { kind: type, port: target }
        : { kind: type, command };
  return [
    {
      ...{ purpose, check, successThreshold: probe.successThreshold, failureThreshold: probe.failureThreshold },
      initialDelayMs: probe.initialDelaySeconds * 1000,
      periodMs: Math.max(probe.periodSeconds * 1000, 1000),
      timeoutMs: Math.max(probe.timeoutSeconds * 1000, 1000),
    },
  ];
}

function healthcheckProbe(healthcheck: z.infer<typeof Healthcheck> | undefined): Probe[] {
  if (healthcheck === undefined) return [];
  const { test, interval, timeout, retries, start_period: initialDelayMs } = healthcheck;
  const [kind, ...rest] = typeof test === 'string' ? ['CMD-SHELL', test] : test;
  if (kind === 'NONE') return [];
  const command =
    kind === 'CMD-SHELL' ? ['/bin/sh', '-c', rest.join(' ')] : kind === 'CMD' ? rest : [kind ?? '', ...rest];
  const rhythm = { initialDelayMs, periodMs: Math.max(interval, 1000), timeoutMs: Math.max(timeout, 1000) };
  return [
    { purpose: 'ready', check: { kind: 'exec', command }, ...rhythm, successThreshold: 1, failureThreshold: retries },
  ];
}

function environmentOfList(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf('=');
      return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

function memoryBytes(amount: string): number {
  const [, number, unit] = amountPattern.exec(amount) ?? [];
  return Math.round(Number(number) * 1024 ** ['', 'k', 'm', 'g'].indexOf((unit ?? '').toLowerCase()));
}

function nanoProcessors(amount: string): number {
  const [, number, milli] = processorPattern.exec(amount) ?? [];
  return Math.round(Number(number) * (milli === 'm' ? 1e6 : 1e9));
}

function durationMs(given: string): number {
  const [, hours, minutes, secondsPart] = durationPattern.exec(given) ?? [];
  return (Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(secondsPart ?? 0)) * 1000;
}
