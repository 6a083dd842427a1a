import { pino, type Logger } from 'pino';

export type { Logger };

export interface LogOptions {
  level: string;
  /** Names the process in each line: `api`, `worker`, `dev`. */
  component: string;
}

/**
 * The one logger of a process, JSON lines on stderr so that stdout stays free for what a command prints.
 * Keys that may hold a secret are cut out here, in one place, however deep a caller nests the request it logs.
 */
export function createLogger(options: LogOptions): Logger {
  return pino(
    {
      level: options.level,
      base: { component: options.component },
      redact: {
        paths: [
          'authorization',
          '*.authorization',
          'headers.authorization',
          '*.headers.authorization',
          '*.api_key',
          '*.secret',
          '*.secrets',
        ],
        censor: '[redacted]',
      },
    },
    pino.destination({ dest: 2, sync: false }),
  );
}
