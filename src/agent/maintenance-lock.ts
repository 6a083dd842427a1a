import { readFileSync } from 'node:fs';

const LONGEST_REASON = 200;

/**
 * Whether somebody who works on the machine holds updates off: the file exists. What stands in its first line is told to
 * the server. One that cannot be read holds, too. Null where no update is held off.
 */
export function maintenanceLock(path: string | undefined): string | null {
  if (path === undefined) return null;
  try {
    const [line = ''] = readFileSync(path, 'utf8').split('\n');
    return line.trim() === '' ? 'maintenance' : `maintenance: ${line.trim().slice(0, LONGEST_REASON)}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? null : 'maintenance';
  }
}
