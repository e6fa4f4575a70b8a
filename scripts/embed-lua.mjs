// Turns the Lua scripts into one TypeScript module, because `.lua` files that are read at run time do not
// survive bundlers and `nest build`. Each script gets a function that makes a call of it, by the names in its header.
// `--check` only says whether the module is fresh (used by `npm run lint`).
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { camelCase, functionOf, prologueOf } from './lua/functions.mjs';
import { checkBody, mergeHeaders, parseHeader } from './lua/header.mjs';

const folder = fileURLToPath(new URL('../libs/elkmq/src/redis/', import.meta.url));
const target = join(folder, 'scripts.generated.ts');

/** Redis 6 would repeat a script on replicas and make other ids there. Later versions do so by themselves, and may lack this. */
const REPLICATE = 'if redis.replicate_commands then redis.replicate_commands() end\n';

const entries = [];
const functions = [];
const files = readdirSync(join(folder, 'lua'), { recursive: true, encoding: 'utf8' });
for (const file of files.sort()) {
  if (!file.endsWith('.lua') || file.startsWith('shared')) continue;
  /** @type {import('./lua/header.mjs').Header[]} */
  const headers = [];
  const body = textOf(file, headers);
  const [own, ...included] = headers;
  if (!own?.hasReturns || own.summary === '')
    throw new Error(`${file}:1: the header does not say what the script does, or what it returns`);
  const header = mergeHeaders(own, included);
  // Without the comments, of which Redis knows nothing.
  const source = REPLICATE + prologueOf(header) + body.replace(/^ *--.*\n/gm, '');
  const name = camelCase(basename(file, '.lua'));
  const sha1 = createHash('sha1').update(source).digest('hex');
  entries.push(
    `  ${name}: {\n    name: '${name}',\n    sha1: '${sha1}',\n    commands: '${commandsOf(source).join(' ')}',\n` +
      `    source: ${JSON.stringify(source)},\n  },\n`,
  );
  functions.push(functionOf(name, header));
}

const generated =
  `// Generated from lua/*.lua by scripts/embed-lua.mjs. Do not edit.\nimport type { ScriptCall } from './scripts.js';\n\n` +
  `export const SCRIPTS = {\n${entries.join('')}} as const;\n\n${functions.join('\n')}`;

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
 * What several scripts need stands in `lua/shared`; Redis has no modules. A file is included once.
 * @param {string} file
 * @param {import('./lua/header.mjs').Header[]} headers get the header of the file and of those that it includes
 * @param {Set<string>} known files that are included already
 * @returns {string}
 */
function textOf(file, headers, known = new Set()) {
  known.add(file);
  const text = readFileSync(join(folder, 'lua', file), 'utf8');
  checkBody(file, text);
  headers.push(parseHeader(file, text));
  return text.replace(/^-- include (\S+)\n/gm, (_line, /** @type {string} */ included) =>
    known.has(included) ? '' : textOf(included, headers, known),
  );
}

/**
 * The commands that a script calls, as ACL rules name them: `xadd`, `xgroup|create`.
 * @param {string} source
 * @returns {string[]}
 */
function commandsOf(source) {
  const calls = source.matchAll(/redis\.p?call\('([A-Z]+)'(?:, '([A-Z]+)')?/g);
  const names = [...calls].map(([, command = '', first]) =>
    ['XGROUP', 'XINFO'].includes(command) ? `${command}|${String(first)}` : command,
  );
  return [...new Set(names)].map((name) => name.toLowerCase()).sort();
}

function readCurrent() {
  try {
    return readFileSync(target, 'utf8');
  } catch {
    return undefined;
  }
}
