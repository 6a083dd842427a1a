import { createBoundedMap } from '../registry-client/bounded-map';

/** Of the hash as much as a number holds exactly: it only saves a look, and PostgreSQL compares all of it. */
const BYTES = 6;
/** Some 100 bytes each; beyond them a report costs the look that it cost anyway. */
const MAX_DEVICES = 200_000;

/** Which keys this process has seen accepted. What it says is never proof: a key may have been replaced since, anywhere. */
export interface KnownKeys {
  has(uuid: string, keyHash: Buffer): boolean;
  remember(uuid: string, keyHash: Buffer): void;
}

export function createKnownKeys(): KnownKeys {
  const keys = createBoundedMap<number>(MAX_DEVICES);
  return {
    has: (uuid, keyHash) => keys.get(uuid) === keyHash.readUIntBE(0, BYTES),
    remember: (uuid, keyHash) => {
      keys.set(uuid, keyHash.readUIntBE(0, BYTES));
    },
  };
}
