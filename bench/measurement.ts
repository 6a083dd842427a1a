import type { Line } from './lines';
import type { Place } from './place';

/** One thing that is measured, by itself: it makes the devices it needs and leaves nothing running. */
export interface Measurement {
  name: string;
  /** Left out of a quick run that does not ask for it; asked for, it is a small one there. */
  notQuick?: boolean;
  run: (place: Place) => Promise<Line[]>;
}
