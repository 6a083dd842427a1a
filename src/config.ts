import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { isSecretKey } from './secret-box';

/** `true`/`false` as people write them in an environment file. */
const flag = z.enum(['true', 'false', '1', '0']).transform((value) => value === 'true' || value === '1');

/**
 * Every setting of every process, with the sentence that the README's table is made from. Rollout behaviour is not
 * here: it belongs to a policy and is copied into the plan, so that nothing reads configuration while a rollout runs.
 */
export const Settings = z.object({
  PORT: z.coerce.number().int().min(0).max(65535).default(4002).describe('Port of the HTTP API; 0 picks a free one.'),
  HOST: z.string().default('127.0.0.1').describe('Address the HTTP API listens on; containers set 0.0.0.0.'),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/ })
    .optional()
    .describe('PostgreSQL 15 or newer. Unset, `npm start` runs an embedded one.'),
  DATABASE_LISTEN_URL: z
    .url({ protocol: /^postgres(ql)?$/ })
    .optional()
    .describe(
      'PostgreSQL itself, where `DATABASE_URL` is a pooler in transaction mode: for what long polls listen to, and for migrations.',
    ),
  DATABASE_POOL_SIZE: z.coerce
    .number()
    .int()
    .min(2)
    .max(200)
    .default(20)
    .describe('Connections each process may hold.'),
  FLEETWAVE_WAITING_POLLS: z.coerce
    .number()
    .int()
    .min(0)
    .max(100_000)
    .default(20_000)
    .describe('Long polls that an API process holds at once; more are answered at once. 0 holds none.'),
  TEMPORAL_ADDRESS: z
    .string()
    .optional()
    .describe('host:port of the Temporal frontend. Unset, `npm start` runs an embedded one.'),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default').describe('Temporal namespace.'),
  TEMPORAL_UI_URL: z.url().optional().describe('Base address of the Temporal UI, for the links in API answers.'),
  FLEETWAVE_TEMPORAL_UI_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65535)
    .default(8233)
    .describe('Port of the embedded Temporal UI.'),
  FLEETWAVE_TASK_QUEUE: z.string().min(1).default('fleetwave').describe('Temporal task queue of the worker.'),
  FLEETWAVE_ADMIN_TOKEN: z
    .string()
    .min(8)
    .max(200)
    .optional()
    .describe("The installation's admin token. Unset, `npm start` makes one and prints it."),
  FLEETWAVE_WEBHOOK_SECRET: z
    .string()
    .min(8)
    .max(200)
    .optional()
    .describe('Secret of the built-in docker-registry source.'),
  FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS: flag
    .default(false)
    .describe('Accept unsigned docker-registry deliveries; the embedded stack sets it.'),
  FLEETWAVE_WEBHOOK_DEBOUNCE_SECONDS: z.coerce
    .number()
    .int()
    .min(0)
    .max(300)
    .default(10)
    .describe(
      'Seconds for which events of one push are gathered before its rollout is planned; a source may have its own.',
    ),
  FLEETWAVE_RECONCILE_MINUTES: z.coerce
    .number()
    .int()
    .min(0)
    .max(1440)
    .default(10)
    .describe('Minutes between looks at configured registries for pushes that no webhook told of; 0 turns them off.'),
  FLEETWAVE_LEGACY_AGENTS: z
    .enum(['refuse', 'allow'])
    .default('refuse')
    .describe(
      '`allow` serves agents of the first generation, which send no key: anyone who knows the uuid of a device without a key can then read and report it.',
    ),
  FLEETWAVE_SECRETS_KEY: z
    .string()
    .refine(isSecretKey, 'must be 32 bytes in base64 or hexadecimal, such as `openssl rand -base64 32` makes')
    .optional()
    .describe(
      "Encrypts the webhook sources' secrets and the registries' credentials in the database: 32 bytes, base64 or hexadecimal. Unset, `npm start` makes one.",
    ),
  FLEETWAVE_DELIVERY_BODY_DAYS: z.coerce
    .number()
    .int()
    .min(1)
    .max(3650)
    .default(7)
    .describe('Days that bodies and headers of webhook deliveries are kept, to look at and to replay.'),
  FLEETWAVE_RETENTION_DAYS: z.coerce
    .number()
    .int()
    .min(1)
    .max(3650)
    .default(90)
    .describe('Days that webhook deliveries, and the events of ended rollouts, are kept.'),
  FLEETWAVE_DATA_DIR: z
    .string()
    .min(1)
    .default('.fleetwave')
    .describe('Where the embedded servers keep their data; survives a restart.'),
  FLEETWAVE_TEMPORAL_CLI: z
    .string()
    .optional()
    .describe('Path of the `temporal` program for the embedded Temporal, where it is not on the PATH.'),
  XDG_CACHE_HOME: z
    .string()
    .optional()
    .describe('Where programs that were built or downloaded once are kept; `~/.cache` if unset.'),
  PATH: z.string().optional().describe('Where programs such as `temporal`, `go` and `docker-registry` are looked for.'),
  FLEETWAVE_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'Where the `fleetwave` command finds the HTTP API, with its `/api/v1` or without. Unset, it is that of the embedded stack where one runs, else `http://127.0.0.1:4002`.',
    ),
  FLEETWAVE_TOKEN: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Operator token of the `fleetwave` command. Unset, it uses the embedded stack's admin token where there is one.",
    ),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Least severe line that is logged.'),
});
export type Config = z.infer<typeof Settings>;

/** Keys that may also be given as a path in `<KEY>_FILE`, as container secrets are. */
const FILE_KEYS = [
  'DATABASE_URL',
  'FLEETWAVE_ADMIN_TOKEN',
  'FLEETWAVE_WEBHOOK_SECRET',
  'FLEETWAVE_SECRETS_KEY',
  'FLEETWAVE_TOKEN',
];

/** Thrown with every problem of the environment at once, each naming its variable and what it is for. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Parses an environment once. An empty string counts as unset, as compose files leave it.
 * @throws ConfigError listing all problems.
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return loadSettings(Settings, FILE_KEYS, env);
}

/** The same for a part that has settings of its own, such as the agent, which knows nothing of the server's. */
export function loadSettings<Shape extends z.ZodRawShape>(
  settings: z.ZodObject<Shape>,
  fileKeys: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): z.infer<z.ZodObject<Shape>> {
  const given: Record<string, string> = {};
  const problems: string[] = [];
  for (const [key, value] of Object.entries(env)) if (value !== undefined && value !== '') given[key] = value;
  for (const key of fileKeys) {
    const path = given[`${key}_FILE`];
    if (path === undefined || given[key] !== undefined) continue;
    try {
      given[key] = readFileSync(path, 'utf8').trim();
    } catch (error) {
      problems.push(`${key}_FILE: cannot read ${path} (${error instanceof Error ? error.message : String(error)})`);
    }
  }
  const parsed = settings.safeParse(given);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const key = String(issue.path[0]);
      const setting = (settings.shape as unknown as Readonly<Record<string, z.ZodType>>)[key];
      problems.push(`${key}: ${issue.message}. ${setting?.description ?? ''}`);
    }
  }
  if (problems.length > 0 || !parsed.success)
    throw new ConfigError(`The environment has ${problems.length} problem(s):\n  ${problems.join('\n  ')}`);
  return parsed.data;
}
