import { round } from './statistics';

/**
 * What the same loop took on hawkBit, measured apart on two such cores: its server on a JVM of 768 MB with PostgreSQL, three
 * groups of 10, 40 and 50 %, 64 connections. Shortest and longest of its runs; CPU of server and PostgreSQL.
 */
const measuredApart = {
  polling: {
    1000: { seconds: [23, 27], cpuMs: [43, 43] },
    5000: { seconds: [103, 139], cpuMs: [39, 52] },
  },
  'told at once': {
    1000: { seconds: [11, 16], cpuMs: [18, 24] },
    5000: { seconds: [55, 86], cpuMs: [18, 24] },
  },
} as const;

export type Way = keyof typeof measuredApart;

export interface Beside {
  words: string;
  numbers: Record<string, number>;
}

/** How many times longer and dearer hawkBit was; null for fleets it was not measured with. Times of two runs are no budget. */
export function besideHawkbit(way: Way, devices: number, seconds: number, cpuMsADevice: number): Beside | null {
  if (devices !== 1000 && devices !== 5000) return null;
  const figures = measuredApart[way][devices];
  const [faster, slower] = figures.seconds.map((theirs) => theirs / seconds) as [number, number];
  const [least, most] = figures.cpuMs.map((theirs) => theirs / cpuMsADevice) as [number, number];
  return {
    words: `hawkBit, measured apart (${way}, ${range(figures.seconds)} s, ${range(figures.cpuMs)} CPU ms a device): ${range([faster, slower])} times the time, ${range([least, most])} times the CPU`,
    numbers: {
      hawkbitTimeRatioLeast: faster,
      hawkbitTimeRatioMost: slower,
      hawkbitCpuRatioLeast: least,
      hawkbitCpuRatioMost: most,
    },
  };
}

function range([from, to]: readonly [number, number]): string {
  return from === to ? String(round(from)) : `${round(from)} to ${round(to)}`;
}
