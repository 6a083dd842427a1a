import { z } from 'zod';
import { RegistryTrouble, type Absent } from './answers';
import type { Exchanged } from './exchange';
import { readJson } from './json-body';

/**
 * By https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes; NOT_FOUND is Harbor's word for the
 * same (https://github.com/goharbor/harbor/pull/23637).
 */
const absentCodes = new Set(['MANIFEST_UNKNOWN', 'NAME_UNKNOWN', 'NOT_FOUND']);

const Errors = z.object({
  errors: z
    .array(z.object({ code: z.string() }))
    .min(1)
    .max(100),
});

/**
 * A 404 means "there is none" only in a registry's own words: a proxy before it, a wrong address or a page for people answer 404
 * as well.
 * @throws RegistryTrouble for every answer that is neither.
 */
export function saysAbsent({ status, body }: Exchanged, host: string): Absent {
  const said = readJson(Errors, body);
  if (status === 404 && said?.errors.every(({ code }) => absentCodes.has(code)) === true) return { kind: 'absent' };
  const code = said?.errors[0]?.code.slice(0, 40).replace(/[^A-Z_]/g, '') ?? '';
  const words = code === '' ? 'in words that are not a registry’s' : `(${code})`;
  throw new RegistryTrouble('unclear', `${host} answers ${status} ${words}`);
}
