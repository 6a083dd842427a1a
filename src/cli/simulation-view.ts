import type { DealtBehaviour } from '../agent/simulator/deal';
import type { FleetSummary } from '../agent/simulator/fleet';
import type { Colors } from './terminal';

/** Images beyond this many are counted together: a live block has to fit a terminal. */
const IMAGES_SHOWN = 8;

/** What a simulated fleet is like and does, as lines to draw. */
export function simulationLines(
  dealt: ReadonlyMap<DealtBehaviour, number>,
  summary: FleetSummary,
  colors: Colors,
): string[] {
  const behaviours = [...dealt].map(([name, count]) => `${name} ${count}`).join(', ');
  const images = Object.entries(summary.containers).sort(([one], [other]) => (one < other ? -1 : 1));
  const rows = images.slice(0, IMAGES_SHOWN).map(([image, { running, exited, rejected }]) => {
    const bad = [exited > 0 ? `${exited} exited` : '', rejected > 0 ? `${rejected} rejected` : ''].filter(Boolean);
    return `  ${image}  ${colors.green(`${running} running`)}${bad.length > 0 ? `, ${colors.red(bad.join(', '))}` : ''}`;
  });
  const more = images.length - rows.length;
  return [
    `${colors.bold(`${summary.devices} devices`)}, ${summary.silent} silent  (${behaviours})`,
    ...rows,
    ...(more > 0 ? [`  and ${more} more images`] : []),
    `  ${summary.polls} polls (${summary.notModified} not modified), ${summary.reports} reports, ${summary.errors} errors${summary.lastError === null ? '' : `; last: ${colors.yellow(summary.lastError)}`}`,
  ];
}
