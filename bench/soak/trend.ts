import { percentile } from '../statistics';

export interface Point {
  minutes: number;
  value: number;
}

/** The first third is the warm-up: caches fill, pools open, the compiler compiles. */
export function afterWarmUp<Sampled extends { minutes: number }>(samples: readonly Sampled[]): Sampled[] {
  const last = samples.at(-1)?.minutes ?? 0;
  return samples.filter(({ minutes }) => minutes >= last / 3);
}

/** How much the values rise in an hour, by least squares; NaN where one point or one moment is all there is. */
export function risePerHour(points: readonly Point[]): number {
  const meanX = mean(points.map(({ minutes }) => minutes));
  const meanY = mean(points.map(({ value }) => value));
  const spread = points.reduce((sum, { minutes }) => sum + (minutes - meanX) ** 2, 0);
  const together = points.reduce((sum, { minutes, value }) => sum + (minutes - meanX) * (value - meanY), 0);
  return spread === 0 ? Number.NaN : (together / spread) * 60;
}

/** A value of the second third and the same of the last, the median if nothing is said: what jumps about is compared so, better than by a line through it. */
export function thirds(points: readonly Point[], share = 0.5): { before: number; after: number } {
  const last = points.at(-1)?.minutes ?? 0;
  const within = (from: number, to: number): number[] =>
    points.filter(({ minutes }) => minutes >= last * from && minutes <= last * to).map(({ value }) => value);
  return { before: percentile(within(1 / 3, 2 / 3), share), after: percentile(within(2 / 3, 1), share) };
}

/** How much the peaks rise in an hour, nine of ten values being below them. */
export function peaksRisePerHour(points: readonly Point[]): number {
  const { before, after } = thirds(points, 0.9);
  const hours = (points.at(-1)?.minutes ?? 0) / 3 / 60;
  return (after - before) / hours;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
