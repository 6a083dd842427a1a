import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { generatedFiles, generatedSections, withSection } from '../../src/dev/generated-docs';

it.each(Object.entries(generatedSections))(
  'the section "%s" says what the code says (else: npm run docs:generate)',
  (name, { file, content }) => {
    const text = readFileSync(join(__dirname, '..', '..', file), 'utf8');
    expect(text).toBe(withSection(text, name, content()));
  },
);

it.each(Object.entries(generatedFiles))(
  'the file %s is what the code makes (else: npm run docs:generate)',
  (file, content) => {
    expect(readFileSync(join(__dirname, '..', '..', file), 'utf8')).toBe(content());
  },
);
