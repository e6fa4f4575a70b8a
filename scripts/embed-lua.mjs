// Turns the Lua scripts into one TypeScript module, because `.lua` files that are read at run time do not
// survive bundlers and `nest build`. `--check` only says whether the module is fresh (used by `npm run lint`).
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../libs/elkmq/src/redis/', import.meta.url));
const target = join(folder, 'scripts.generated.ts');

/** Redis 6 would repeat a script on replicas and make other ids there. Later versions do so by themselves, and may lack this. */
const PROLOGUE = 'if redis.replicate_commands then redis.replicate_commands() end\n';

const entries = readdirSync(join(folder, 'lua'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.lua') && !file.startsWith('shared'))
  .sort()
  .map((file) => {
    // Without the comments, of which Redis knows nothing.
    const source = PROLOGUE + textOf(file).replace(/^ *--.*\n/gm, '');
    refuseHiddenCommands(file, source);
    const sha1 = createHash('sha1').update(source).digest('hex');
    const name = basename(file, '.lua').replace(/_(\w)/g, (_match, letter) => letter.toUpperCase());
    const commands = commandsOf(source).join(' ');
    return `  ${name}: {\n    sha1: '${sha1}',\n    commands: '${commands}',\n    source: ${JSON.stringify(source)},\n  },\n`;
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

/**
 * The name of a command stands in its call, where `commandsOf` finds it.
 * @param {string} file
 * @param {string} source
 */
function refuseHiddenCommands(file, source) {
  if (/redis\.p?call\((?!')/.test(source)) throw new Error(`${file}: a call does not name its command`);
}

function readCurrent() {
  try {
    return readFileSync(target, 'utf8');
  } catch {
    return undefined;
  }
}
