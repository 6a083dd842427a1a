/**
 * Runs a TypeScript file of this folder: `node bench/run.cjs <name> ...`. The bench is no part of the build, and it needs the
 * sources, which look for the built programs beside themselves; so it is compiled as it is loaded.
 */
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { transformSync } = require('@swc/core');

require.extensions['.ts'] = (module, path) => {
  const { code } = transformSync(readFileSync(path, 'utf8'), {
    filename: path,
    sourceMaps: 'inline',
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs', ignoreDynamic: true },
  });
  module._compile(code, path);
};
const name = process.argv.splice(2, 1)[0];
require(join(__dirname, `${name}.ts`));
