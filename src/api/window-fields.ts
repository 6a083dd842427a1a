import { z } from 'zod';
import { weekdays } from '../domain/windows';
import { text } from './fields';

const Clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time such as 01:30');

const Window = z.strictObject({
  days: z.array(z.enum(weekdays)).min(1).max(7),
  from: Clock,
  to: Clock,
  timezone: text(64),
});

/** When target state may be written. */
export const Windows = z.array(Window).max(50);
