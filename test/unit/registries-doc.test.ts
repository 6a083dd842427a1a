import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { registryKinds } from '../../src/api/registries';
import { NewSource } from '../../src/api/webhook-source-fields';
import { registrySections } from '../support/registries-doc';

const sections = registrySections();
const NEEDED = ['- **There**: ', '- **Traps**: '];

test('docs/registries.md has each kind of sender once, and no other', () => {
  expect(sections.map(({ kind }) => kind).sort()).toEqual(registryKinds.map(({ name }) => name).sort());
});

test('the guide for those who write kinds is there', () => {
  expect(readFileSync(join(__dirname, '..', '..', 'docs', 'registry-kinds.md'), 'utf8')).toContain(
    'src/api/registries/',
  );
});

describe.each(sections)('the section $kind', ({ kind: name, text, script }) => {
  test('says what to enter there, and its traps', () => {
    for (const part of NEEDED) expect(text).toContain(`\n${part}`);
  });

  test('makes a source that its kind takes, secrets included', () => {
    const put = /^curl -sS -X PUT \$API\/webhook-sources\/([a-z0-9-]+) .* -d '(.+)'$/m.exec(script);
    const source = NewSource.parse(
      JSON.parse((put?.[2] ?? '').replaceAll("'$SECRET'", 'a-secret-of-the-documentation')),
    );
    const kind = registryKinds.find((one) => one.name === name);
    const options = kind?.options.parse(source.options);
    expect(source.kind).toBe(name);
    expect(source.secrets.length > 0 || (kind?.proof === 'own' && kind.provesItself?.(options) !== false)).toBe(true);
    // Where to send is said under the same name.
    expect(text.replace(put?.[0] ?? '', '')).toContain(`/webhooks/${put?.[1] ?? 'none'}`);
  });
});
