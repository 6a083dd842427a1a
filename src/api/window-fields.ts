import { z } from 'zod';
import { weekdays } from '../domain/windows';
import { isZone } from '../domain/zone-offsets';

const Clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time from 00:00 to 23:59, such as 01:30');

const Days = z
  .array(z.enum(weekdays))
  .min(1)
  .max(weekdays.length)
  .superRefine((days, context) => {
    days.forEach((day, index) => {
      if (days.indexOf(day) < index)
        context.addIssue({ code: 'custom', path: [index], message: `${day} is there already: name each day once` });
    });
  });

const Window = z.strictObject({
  days: Days.describe('The local days on which it starts, each once: `["sat", "sun"]`.'),
  from: Clock.describe('Local time at which it opens, as `HH:MM`: `"01:30"`.'),
  to: Clock.describe(
    'Local time at which it closes, as `HH:MM`, on the next day where it is not after `from`; equal to `from` for 24 hours.',
  ),
  timezone: z
    .string()
    .min(1)
    .max(100)
    .refine(
      (name) => name === 'device' || isZone(name),
      'must be `device`, for the time zone of each device, or an IANA time zone such as Europe/Berlin',
    )
    .describe('An IANA time zone such as `Europe/Berlin`, or `device` for that of each device.'),
});

/** When target state may be written. */
export const Windows = z.array(Window).max(50);

interface Timing {
  update_strategy: string;
  windows?: readonly unknown[] | undefined;
}

/**
 * What is wrong with a policy's `windows`, or null. A scheduled policy without a window would never do anything, and say
 * nothing about it. Other strategies may have windows too.
 */
export function windowsProblem({ update_strategy: strategy, windows }: Timing): string | null {
  if (strategy !== 'scheduled' || (windows !== undefined && windows.length > 0)) return null;
  return 'update_strategy scheduled needs at least one window, such as {"days": ["sat", "sun"], "from": "01:00", "to": "05:00", "timezone": "device"}; use staged to update at any time';
}
