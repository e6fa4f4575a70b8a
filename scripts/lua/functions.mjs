// Writes the code that a script's header stands for: its first lines in Lua, which give its keys and arguments their
// names, and a function in TypeScript.

/**
 * @typedef {import('./header.mjs').Header} Header
 * @typedef {import('./header.mjs').Parameter} Parameter
 */

/** The longest line of a comment. */
const COMMENT_CHARACTERS = 110;

/**
 * The lines of Lua that give keys and arguments their names. A list gets the index of its first element.
 * @param {Header} header
 * @returns {string}
 */
export function prologueOf({ keys, args }) {
  return localsOf('KEYS', keys) + localsOf('ARGV', args);
}

/**
 * The function in TypeScript that makes a call of the script.
 * @param {string} name of the script
 * @param {Header} header
 * @returns {string}
 */
export function functionOf(name, { summary, keys, args }) {
  const parameters = [`keys: ${typeOf(keys)}`];
  if (args.length > 0) parameters.push(`args: ${typeOf(args)}`);
  const groups = args.filter(({ members }) => members.length > 0);
  const list = `[${args
    .filter((arg) => !groups.includes(arg))
    .map((arg) => valueOf('args', arg))
    .join(', ')}]`;
  return [
    docOf('', summary).trimEnd(),
    `export function ${name}(${parameters.join(', ')}): ScriptCall {`,
    ...(groups.length > 0 ? [`  const list: (string | number)[] = ${list};`, ...groups.map(pushOf)] : []),
    `  return {`,
    `    script: SCRIPTS.${name},`,
    `    keys: [${keys.map((key) => valueOf('keys', key)).join(', ')}],`,
    `    args: ${groups.length > 0 ? 'list' : list},`,
    `  };`,
    `}\n`,
  ].join('\n');
}

/**
 * @param {string} name in Lua
 * @returns {string} the name in TypeScript
 */
export function camelCase(name) {
  return name.replace(/_(\w)/g, (_match, letter) => letter.toUpperCase());
}

/**
 * @param {'KEYS' | 'ARGV'} table
 * @param {Parameter[]} parameters
 */
function localsOf(table, parameters) {
  if (parameters.length === 0) return '';
  const names = parameters.map(({ name, form }) => (form === 'list' ? `${name}_at` : name));
  const values = parameters.map(({ form, type }, index) => {
    const value = `${table}[${String(index + 1)}]`;
    if (form === 'list') return String(index + 1);
    if (type === 'number') return `tonumber(${value})`;
    return type === 'boolean' ? `${value} == '1'` : value;
  });
  return `local ${names.join(', ')} = ${values.join(', ')}\n`;
}

/**
 * @param {Parameter[]} parameters
 * @returns {string} the type of an object with all of them
 */
function typeOf(parameters) {
  const properties = parameters.map(({ name, form, type, members, text }) => {
    const single = members.length === 0 ? type : `{ ${members.map(memberType).join('; ')} }`;
    const doc = text === '' ? '' : docOf('    ', text);
    const value = form === 'list' ? `readonly ${single}[]` : single;
    const mark = form === 'optional' ? `?: ${value} | undefined` : `: ${value}`;
    return `${doc}    readonly ${camelCase(name)}${mark};\n`;
  });
  return `{\n${properties.join('')}  }`;
}

/**
 * @param {string} indent
 * @param {string} text
 * @returns {string} a doc comment in lines of at most COMMENT_CHARACTERS
 */
function docOf(indent, text) {
  const whole = `${indent}/** ${text} */\n`;
  if (whole.length <= COMMENT_CHARACTERS) return whole;
  const lines = [`${indent} *`];
  for (const word of text.split(' ')) {
    if (`${String(lines.at(-1))} ${word}`.length > COMMENT_CHARACTERS) lines.push(`${indent} *`);
    lines[lines.length - 1] += ` ${word}`;
  }
  return [`${indent}/**`, ...lines, `${indent} */\n`].join('\n');
}

/** @param {import('./header.mjs').Member} member */
function memberType({ name, type, isList }) {
  return `readonly ${camelCase(name)}: ${isList ? `readonly ${type}[]` : type}`;
}

/**
 * @param {'keys' | 'args'} from
 * @param {Parameter} parameter
 * @returns {string} the elements that it adds to the call
 */
function valueOf(from, { name, form, type }) {
  const value = `${from}.${camelCase(name)}`;
  if (form === 'list') return type === 'boolean' ? `...${value}.map(Number)` : `...${value}`;
  const plain = type === 'boolean' ? `Number(${value})` : value;
  return form === 'optional' ? `...(${value} === undefined ? [] : [${plain}])` : plain;
}

/**
 * The loop that adds a list of groups, which comes last. It is a loop because Node 20 takes more than a microsecond
 * for `flatMap` with a spread.
 * @param {Parameter} parameter
 */
function pushOf({ name, members }) {
  const lines = members.flatMap(({ name: member, type, isList }) => {
    const value = `each.${camelCase(member)}`;
    // Its length comes before a list, because the next group follows it.
    if (isList) return [`list.push(${value}.length);`, `for (const value of ${value}) list.push(value);`];
    return [`list.push(${type === 'boolean' ? `Number(${value})` : value});`];
  });
  return [
    `  for (const each of args.${camelCase(name)}) {`,
    ...lines.map((line) => `    ${line}`),
    `  }`,
  ].join('\n');
}
