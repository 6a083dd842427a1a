import { z } from 'zod';
import { checkName, type HealthCheck } from '../domain/checks';

const Port = z.number().int().min(1).max(65_535);
const Timeout = z
  .number()
  .int()
  .min(1)
  .max(15)
  .optional()
  .describe('Seconds within which it has to hold, at every look; 5 where it is not given.');

/** A word of one line that scripts write and logs show. */
export const CheckName = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must be letters, digits, ".", "_" and "-"');

const Check = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('container_running') }),
    z.strictObject({
      kind: z.literal('tcp'),
      port: Port.describe('A connection to it comes about.'),
      timeout_seconds: Timeout,
    }),
    z.strictObject({
      kind: z.literal('http'),
      port: Port.describe('A GET without TLS is answered there.'),
      path: z
        .string()
        .max(500)
        .regex(/^\/[!-~]*$/, 'must begin with / and hold printable ASCII without spaces')
        .optional()
        .describe('`/` where it is not given.'),
      status: z
        .number()
        .int()
        .min(100)
        .max(599)
        .optional()
        .describe(
          'The status of the answer, redirects included: none is followed. Any of 200 to 299 where it is not given.',
        ),
      timeout_seconds: Timeout,
    }),
    z.strictObject({
      kind: z.literal('custom'),
      name: CheckName.describe(
        'Holds when the device, or a script, has said so by this name since the device ran the image, and at no other time.',
      ),
    }),
  ],
  'the kind of a check is container_running, tcp, http or custom',
);

/** What one field of a policy lists. Two of one name could not be told apart in a reason. */
export const Checks = z
  .array(Check)
  .max(20)
  .superRefine((checks, context) => {
    const names = checks.map(nameOf);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) context.addIssue({ code: 'custom', message: `names a check twice: ${twice}` });
  });

function nameOf(check: z.output<typeof Check>): string {
  if (check.kind === 'container_running') return check.kind;
  const named: Exclude<HealthCheck, { kind: 'container_running' }> =
    check.kind === 'custom'
      ? check
      : check.kind === 'tcp'
        ? { ...check, timeoutSeconds: 0 }
        : { ...check, path: check.path ?? '/', status: null, timeoutSeconds: 0 };
  return checkName(named);
}
