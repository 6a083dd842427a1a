import fc from 'fast-check';

/** Tags that name versions, close enough to each other to be often equal, older or newer. */
export const versionTags: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom('', 'v'),
    fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 }),
    fc.constantFrom('', '', '-rc1', '-rc2', '-beta1', '-alpha', '-dev', 'rc1', 'b2'),
    fc.constantFrom('', '', '-alpine', '-slim-bookworm'),
  )
  .map(([prefix, numbers, prerelease, variant]) => `${prefix}${numbers.join('.')}${prerelease}${variant}`);

/** Texts that are nearly versions, for telling two readings of them apart. */
export const nearlyVersions: fc.Arbitrary<string> = fc
  .array(
    fc.constantFrom(
      ...[
        'v',
        '0',
        '7',
        '12',
        '2024',
        '01',
        '1234567',
        '.',
        '.',
        '-',
        '-',
        '_',
        'rc',
        'RC',
        'beta',
        'b',
        'a',
        'c',
        'dev',
        'pre',
      ],
      ...['preview', 'nightly', 'alpine', 'slim', 'x', 'f', '99999999'],
    ),
    { minLength: 1, maxLength: 8 },
  )
  .map((parts) => parts.join(''));
