import type { Line } from './lines';
import type { Place } from './place';

/** One thing that is measured, by itself: it makes the devices it needs and leaves nothing running. */
export interface Measurement {
  name: string;
  run: (place: Place) => Promise<Line[]>;
}
