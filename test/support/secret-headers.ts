import { bearer, PREVIOUS, SECRET, WRONG, type Headers } from './registry-deliveries';

/** What the option `header` is in these tests. */
export const HEADER = 'X-Fleet-Secret';

const basic = (credentials: string): Headers => ({
  authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
});

/** For kinds whose senders take any header: how the secret may come, and how it may not. */
export const secretHeaders: readonly [string, Headers, string, 'taken' | 'refused'][] = [
  ['as a bearer token', bearer(), '', 'taken'],
  ['that is being rotated out', bearer(PREVIOUS), '', 'taken'],
  ["as Basic's password", basic(`anybody:${SECRET}`), '', 'taken'],
  ['as the whole Authorization', { authorization: SECRET }, '', 'taken'],
  ['in the header of the options', { [HEADER]: SECRET }, '', 'taken'],
  ['in the URL', {}, `?secret=${SECRET}`, 'taken'],
  ['not at all', {}, '', 'refused'],
  ["that is somebody else's", bearer(WRONG), '', 'refused'],
  ['cut short', bearer(SECRET.slice(0, -1)), '', 'refused'],
  ['with more behind it', bearer(`${SECRET}x`), '', 'refused'],
  ["as Basic's user", basic(`${SECRET}:`), '', 'refused'],
  ['in a header that nobody named', { 'x-secret': SECRET }, '', 'refused'],
  ['wrong in the header of the options', { [HEADER]: WRONG }, '', 'refused'],
  ['twice in the URL', {}, `?secret=${SECRET}&secret=${SECRET}`, 'refused'],
];
