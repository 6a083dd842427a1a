/** What the model knows beside the database: what it did itself. */
export interface Known {
  image: string;
  /** References that accepted pushes stand for. */
  pushed: Set<string>;
  /** By device: what it held when it appeared. */
  originals: Map<string, string>;
  /** By device: the versions that operators wrote. */
  edits: Map<string, Set<number>>;
  zones: Map<string, string | null>;
  freezes: { fromMs: number; untilMs: number; binds: 'automatic' | 'all' }[];
}
