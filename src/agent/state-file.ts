import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { ServiceRecord } from './rules/service-record';

const Record = z.object({
  good: z.string().nullable(),
  trial: z.object({ spec: z.string(), startedAtMs: z.number(), restarts: z.number() }).nullable(),
  failed: z
    .object({
      ...{ spec: z.string(), version: z.number().nullable(), reason: z.string(), atMs: z.number(), tries: z.number() },
    })
    .nullable(),
  digests: z.array(z.object({ imageName: z.string(), digest: z.string().nullable(), imageId: z.string() })),
}) satisfies z.ZodType<ServiceRecord>;

const State = z.object({
  uuid: z.uuid(),
  apiKey: z.string().min(1),
  /** The server knows the key: the provisioning key is not needed any more. */
  registered: z.boolean(),
  /** The target state that was last fetched: applied again after a restart, whether or not the server can be reached. */
  target: z
    .object({ apps: z.record(z.string(), z.unknown()), version: z.number().nullable(), etag: z.string().nullable() })
    .nullable(),
  services: z.record(z.string(), Record),
});
export type AgentState = z.infer<typeof State>;

export interface StateFile {
  readonly path: string;
  read(): AgentState | null;
  /** On the disk when it returns: what is begun afterwards is known after any crash. */
  write(state: AgentState): void;
}

/** One JSON file, only for the agent's own user, replaced as a whole: a crash leaves the old one or the new one. */
export function stateFile(path: string): StateFile {
  return {
    path,
    read() {
      let text: string;
      try {
        text = readFileSync(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
      return State.parse(JSON.parse(text));
    },
    write(state) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      const next = `${path}.next`;
      const file = openSync(next, 'w', 0o600);
      try {
        // Not writeSync, which on a full disk writes a part and says nothing.
        writeFileSync(file, JSON.stringify(state));
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(next, path);
      const directory = openSync(dirname(path), 'r');
      try {
        fsyncSync(directory);
      } finally {
        closeSync(directory);
      }
    },
  };
}
