/** The value below which `share` of the values lie, by the nearest rank; NaN where there are none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** Two significant digits are all that a shared machine tells. */
export function round(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  return Number(value.toPrecision(Math.abs(value) >= 100 ? 3 : 2));
}

export function milliseconds(value: number): string {
  return value >= 10_000 ? `${round(value / 1000)} s` : `${round(value)} ms`;
}
