import { readFileSync, writeFileSync } from 'node:fs';
import { generatedFiles, generatedSections, withSection } from './generated-docs';

/** `npm run docs:generate`: writes the generated sections of the documentation anew. Run it in the repository's root. */
for (const [file, content] of Object.entries(generatedFiles)) writeFileSync(file, content());
for (const [name, { file, content }] of Object.entries(generatedSections)) {
  writeFileSync(file, withSection(readFileSync(file, 'utf8'), name, content()));
}
