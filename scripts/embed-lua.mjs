// Turns the Lua scripts into one TypeScript module, because `.lua` files that are read at run time do not
// survive bundlers and `nest build`. `--check` only says whether the module is fresh (used by `npm run lint`).
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../libs/elkmq/src/core/redis/', import.meta.url));
const target = join(folder, 'scripts.generated.ts');

const entries = readdirSync(join(folder, 'lua'))
  .filter((file) => file.endsWith('.lua'))
  .sort()
  .map((file) => {
    // Without the comments, of which Redis knows nothing.
    const source = textOf(file).replace(/^ *--.*\n/gm, '');
    const sha1 = createHash('sha1').update(source).digest('hex');
    const name = basename(file, '.lua').replace(/_(\w)/g, (_match, letter) => letter.toUpperCase());
    return `  ${name}: {\n    sha1: '${sha1}',\n    source: ${JSON.stringify(source)},\n  },\n`;
  });

const generated = `// Generated from lua/*.lua by scripts/embed-lua.mjs. Do not edit.\nexport const SCRIPTS = {\n${entries.join('')}} as const;\n`;

const current = readCurrent();
if (process.argv.includes('--check')) {
  if (current !== generated) {
    console.error(`${target} is not what lua/*.lua makes: run \`node scripts/embed-lua.mjs\`.`);
    process.exit(1);
  }
} else if (current !== generated) {
  writeFileSync(target, generated);
}

/**
 * What several scripts need stands in `lua/shared`; Redis has no modules.
 * @param {string} file
 * @returns {string}
 */
function textOf(file) {
  const text = readFileSync(join(folder, 'lua', file), 'utf8');
  return text.replace(/^-- include (\S+)\n/gm, (_line, /** @type {string} */ included) => textOf(included));
}

function readCurrent() {
  try {
    return readFileSync(target, 'utf8');
  } catch {
    return undefined;
  }
}
