/** The processes of a soak. PostgreSQL's are many and count as one; `devices` is the simulated fleet, which is not judged. */
export const soakParts = ['api', 'worker', 'postgres', 'temporal', 'devices'] as const;
export type SoakPart = (typeof soakParts)[number];

export interface ProcessSample {
  /** Resident memory; of PostgreSQL what is its own, because its shared buffers fill up by design. */
  memoryMb: number;
  openFiles: number;
  sockets: number;
  threads: number;
}

export interface HeapSample {
  usedMb: number;
  externalMb: number;
  /** What was left after the last full collection; null before the first. */
  heldMb: number | null;
  /** Timers, sockets and requests that keep the process alive. */
  resources: number;
}

export interface TableSample {
  rows: number;
  dead: number;
  tableBytes: number;
  indexBytes: number;
  vacuums: number;
}

/** What was seen at one moment of a soak. */
export interface Sample {
  minutes: number;
  processes: Record<SoakPart, ProcessSample>;
  /** Of API and worker, over all their threads. */
  heaps: Partial<Record<SoakPart, HeapSample>>;
  /** PostgreSQL's connections by who holds them. */
  connections: Record<string, number>;
  /** Longest that a transaction has been open, in seconds: one that stays open keeps every dead row. */
  oldestTransactionSeconds: number;
  databaseMb: number;
  temporalStoreMb: number;
  waitingPolls: number;
  tables: Record<string, TableSample>;
}

/** What became of one push. */
export interface PushRecord {
  kind: string;
  tag: string;
  wanted: string;
  ended: string;
  seconds: number;
  /** Of its workflow's history. */
  events: number;
}

export interface SoakFacts {
  minutes: number;
  devices: number;
  samples: readonly Sample[];
  pushes: readonly PushRecord[];
  /** Duplicates that started something. */
  doubled: number;
  /** Processes of the servers that were not the same at the end. */
  restarts: number;
  /** The devices' requests, and those without a good answer. */
  requests: number;
  errors: number;
  lastError: string | null;
  /** Devices that did not run what their target says once everything was over. */
  astray: number;
}

/** Connections of a process that the devices hold, counted on their side: one that it keeps after they have closed it is a leak. */
export function heldByDevices(part: SoakPart, { processes }: Sample): number {
  return part === 'api' ? processes.devices.sockets : 0;
}
