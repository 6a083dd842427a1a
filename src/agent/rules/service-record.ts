/** What the agent remembers of a service across its own restarts; kept in the state file. */
export interface ServiceRecord {
  /** The spec that proved itself last: what the agent puts back when another one fails. */
  good: string | null;
  /** The spec on trial. Written before its container is started, so that a crash does not stretch its deadline. */
  trial: { spec: string; startedAtMs: number; restarts: number } | null;
  /** The spec that failed, for which version of the target. A newer version of the same spec is another try. */
  failed: { spec: string; version: number | null; reason: string; atMs: number; tries: number } | null;
  /** The digests that the last few references were pulled by. */
  digests: { imageName: string; digest: string | null; imageId: string }[];
}

export const blankRecord: ServiceRecord = { good: null, trial: null, failed: null, digests: [] };

/** The new image and the one before it, and a little more: what a rollback may need while the registry is away. */
const DIGESTS_KEPT = 4;

export function withDigest(record: ServiceRecord, pulled: ServiceRecord['digests'][number]): ServiceRecord {
  const others = record.digests.filter(({ imageName }) => imageName !== pulled.imageName);
  return { ...record, digests: [pulled, ...others].slice(0, DIGESTS_KEPT) };
}
