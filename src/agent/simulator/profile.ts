import { z } from 'zod';

const percent = z.number().min(0).max(100);
const secondsUpTo = (max: number) => z.number().min(0).max(max);
const DAY = 86_400;

/**
 * What a simulated fleet is like. Each behaviour has its share in percent of the devices; a device has one of them at most,
 * and who has none is healthy.
 */
export const Profile = z
  .strictObject({
    /** What the devices run at first: the image, on these tags in turn. */
    image: z.string().min(1).max(500).default('redis'),
    tags: z.array(z.string().min(1).max(128)).min(1).max(20).default(['7.0', '7.2']),
    /** Globs over `repository:tag`; only these images bring the behaviours out. Absent, every image that is not the device's first. */
    bad_images: z.array(z.string().min(1).max(500)).min(1).max(50).optional(),
    update_seconds: z
      .tuple([secondsUpTo(DAY), secondsUpTo(DAY)])
      .refine(([from, to]) => from <= to, 'must be the shorter time first')
      .default([2, 8]),
    behaviours: z
      .strictObject({
        slow_pull: z.strictObject({ percent, seconds: secondsUpTo(DAY).default(60) }),
        crash_loop: z.strictObject({ percent, every_seconds: secondsUpTo(DAY).min(0.1).default(3) }),
        silent: z.strictObject({ percent, for_seconds: secondsUpTo(DAY).optional() }),
        offline: z
          .strictObject({
            percent,
            every_seconds: secondsUpTo(7 * DAY)
              .min(1)
              .default(600),
            for_seconds: secondsUpTo(7 * DAY).default(120),
          })
          .refine(({ every_seconds: every, for_seconds: length }) => length < every, {
            path: ['for_seconds'],
            message: 'must be less than every_seconds',
          }),
        rejects: z.strictObject({ percent }),
        reverts: z.strictObject({ percent, after_seconds: secondsUpTo(DAY).default(90) }),
        late_joiner: z.strictObject({ percent, after_seconds: secondsUpTo(DAY).default(60) }),
        wrong_digest: z.strictObject({ percent }),
      })
      .partial()
      .default({}),
  })
  .refine(({ behaviours }) => Object.values(behaviours).reduce((sum, given) => sum + (given?.percent ?? 0), 0) <= 100, {
    path: ['behaviours'],
    message: 'their percents must not add up to more than 100',
  });
export type Profile = z.output<typeof Profile>;
export type BehaviourName = keyof Profile['behaviours'];

/** Shipped as docs/examples/flaky.json too: a bit of everything that goes wrong in the field. */
export const defaultProfile: Profile = Profile.parse({
  behaviours: {
    slow_pull: { percent: 5 },
    crash_loop: { percent: 2 },
    silent: { percent: 1 },
    offline: { percent: 5 },
    rejects: { percent: 1 },
    reverts: { percent: 1 },
    late_joiner: { percent: 2 },
    wrong_digest: { percent: 1 },
  },
});

/** @throws Error that names every problem by its place in the file. */
export function parseProfile(text: string): Profile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`it is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = Profile.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Error(
    parsed.error.issues
      .map(({ path, message }) => `${path.length === 0 ? 'it' : path.join('.')}: ${message}`)
      .join('\n'),
  );
}
