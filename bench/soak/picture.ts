import { init, type EChartsOption, type LineSeriesOption } from 'echarts';
import { heldByDevices, type Sample, type SoakPart } from './sample';

const WIDTH = 960;
const PANEL = 230;
const TOP = 64;
const BETWEEN = 84;
const LEFT = 70;

/** One colour and one name for each, wherever it is drawn. */
const names: Record<SoakPart, string> = {
  api: 'API',
  worker: 'worker',
  postgres: "PostgreSQL's own",
  temporal: 'Temporal',
  devices: 'simulated devices',
};

type MarkAreaOption = NonNullable<LineSeriesOption['markArea']>;

interface Series {
  name: string;
  color: string;
  dashed?: boolean;
  read: (sample: Sample) => number | null | undefined;
}

interface Panel {
  title: string;
  unit: string;
  series: Series[];
}

const colors: Record<SoakPart, string> = {
  api: '#0b62a4',
  worker: '#d2691e',
  postgres: '#2e8b57',
  temporal: '#8b3a8b',
  devices: '#999999',
};

const memory = (part: SoakPart): Series => ({
  name: names[part],
  color: colors[part],
  read: ({ processes }) => processes[part].memoryMb,
});
const held = (part: SoakPart): Series => ({
  name: names[part],
  color: colors[part],
  read: ({ heaps }) => heaps[part]?.heldMb,
});
const files = (part: SoakPart): Series => ({
  name: names[part],
  color: colors[part],
  read: (sample) => sample.processes[part].openFiles - heldByDevices(part, sample),
});
const table = (name: string, color: string): Series => ({
  name,
  color,
  read: ({ tables }) => (tables[name] === undefined ? undefined : tables[name].dead),
});

const panels: readonly Panel[] = [
  {
    title: 'Resident memory',
    unit: 'MB',
    series: [memory('api'), memory('worker'), memory('temporal'), memory('postgres'), memory('devices')],
  },
  { title: 'Memory held after a full collection', unit: 'MB', series: [held('api'), held('worker')] },
  {
    title: "Open files, without devices' connections",
    unit: 'count',
    series: [
      files('api'),
      files('worker'),
      {
        name: 'connections to PostgreSQL',
        color: colors.postgres,
        dashed: true,
        read: ({ connections }) => Object.values(connections).reduce((sum, count) => sum + count, 0),
      },
    ],
  },
  {
    title: 'Dead rows',
    unit: 'rows',
    series: [
      table('device_rollout_status', '#0b62a4'),
      table('device_current_state', '#d2691e'),
      table('device_target_state', '#2e8b57'),
      table('devices', '#8b3a8b'),
    ],
  },
  {
    title: 'On disk: it grows with the history that is kept',
    unit: 'MB',
    series: [
      { name: 'database', color: colors.postgres, read: ({ databaseMb }) => databaseMb },
      { name: "Temporal's store", color: colors.temporal, read: ({ temporalStoreMb }) => temporalStoreMb },
    ],
  },
];

/** The course of a soak as an SVG: one panel below the other, over the same minutes. */
export function drawSoak(samples: readonly Sample[], title: string): string {
  const height = TOP + panels.length * (PANEL + BETWEEN);
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  try {
    chart.setOption(optionOf(samples, title));
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}

function optionOf(samples: readonly Sample[], title: string): EChartsOption {
  const topOf = (index: number): number => TOP + 40 + index * (PANEL + BETWEEN);
  const last = Math.ceil(samples.at(-1)?.minutes ?? 1);
  return {
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'Helvetica, Arial, sans-serif' },
    title: [
      { text: title, left: LEFT, top: 14, textStyle: { fontSize: 17 } },
      ...panels.map((panel, index) => ({
        text: panel.title,
        left: LEFT,
        top: topOf(index) - 34,
        textStyle: { fontSize: 14 },
      })),
    ],
    legend: panels.map(({ series }, index) => ({
      data: series.map(({ name }) => name),
      right: 30,
      top: topOf(index) - 32,
      icon: 'rect',
      itemHeight: 4,
      itemWidth: 18,
      // Without a browser nobody measures text: names come out wider than they are taken for.
      itemGap: 28,
    })),
    grid: panels.map((_, index) => ({ left: LEFT, right: 24, top: topOf(index), height: PANEL - 40 })),
    xAxis: panels.map((_, index) => ({
      type: 'value',
      gridIndex: index,
      min: 0,
      max: last,
      // The last minute stands beside a round number, and over its label.
      axisLabel: { showMaxLabel: false },
      name: 'minutes since the start',
      nameLocation: 'middle',
      nameGap: 26,
    })),
    yAxis: panels.map(({ unit }, index) => ({
      type: 'value',
      gridIndex: index,
      min: 0,
      name: unit,
      nameLocation: 'middle',
      nameGap: 48,
    })),
    series: panels.flatMap(({ series }, index) =>
      series.map(({ name, color, dashed, read }, place) => ({
        type: 'line' as const,
        name,
        xAxisIndex: index,
        yAxisIndex: index,
        showSymbol: false,
        connectNulls: true,
        itemStyle: { color },
        lineStyle: { width: 1.6, ...(dashed === true ? { type: 'dashed' as const } : {}) },
        data: samples.map((sample) => [sample.minutes, read(sample) ?? null]),
        ...(place === 0 ? { markArea: warmUp((samples.at(-1)?.minutes ?? 0) / 3) } : {}),
      })),
    ),
  };
}

/** What the verdict leaves out. */
function warmUp(until: number): MarkAreaOption {
  return {
    silent: true,
    itemStyle: { color: '#f3f3f3' },
    label: { position: 'insideTopRight', color: '#888888', fontSize: 11 },
    data: [[{ name: 'warm-up', xAxis: 0 }, { xAxis: until }]],
  };
}
