// Reads the header of a Lua script: the comment at its top. It says what the script does, names its keys and
// arguments, and says what the script returns. docs/architecture.md shows the grammar.

/**
 * @typedef {'string' | 'number' | 'boolean'} Type
 * @typedef {{ name: string, type: Type, isList: boolean }} Member one value of a group
 * @typedef {'one' | 'optional' | 'list'} Form
 * @typedef {{ name: string, form: Form, type: Type, members: Member[], text: string, place: string, unread?: string }} Parameter
 * `members` are the values of each group when it is a list of groups; `unread` is their text until its last line;
 * `place` is file and line
 * @typedef {{ summary: string, keys: Parameter[], args: Parameter[], hasReturns: boolean }} Header
 */

const SECTION = /^-- (KEYS|ARGV)$/;
const DECLARATION = /^-- {3}(\S.*)$/;
const CONTINUATION = /^-- {5,}(\S.*)$/;
const PARAMETER = /^([a-z][a-z0-9_]*)(\.\.\.|\?)?(?:: (number|boolean))?(?: {2,}(\S.*))?$/;
const MEMBER = /^([a-z][a-z0-9_]*)(\.\.\.)?(?:: (number|boolean))?$/;
const GROUP = /^(per [a-z ]+): (.*)$/;
/** Names that Lua or Redis give a meaning. */
const RESERVED =
  /^(and|break|do|else|elseif|end|false|for|function|goto|if|in|local|nil|not|or|repeat|return|then|true|until|while|redis|cjson|string|table|math|type|unpack|next|pairs|ipairs)$/;

/**
 * Reads the header of a file.
 * @param {string} file the name for messages
 * @param {string} text of the file
 * @returns {Header}
 * @throws {Error} when a line has an unknown form, or a name is used twice; the message begins with file and line
 */
export function parseHeader(file, text) {
  /** @type {Header} */
  const header = { summary: '', keys: [], args: [], hasReturns: false };
  const prose = [];
  /** @type {Parameter[] | undefined} */
  let section;
  for (const [index, line] of text.split('\n').entries()) {
    if (!line.startsWith('--') || line.startsWith('-- include ')) break;
    const place = `${file}:${String(index + 1)}`;
    const [, opened] = SECTION.exec(line) ?? [];
    if (/^-- Returns /.test(line)) {
      header.hasReturns = true;
      section = undefined;
    } else if (opened) {
      section = opened === 'KEYS' ? header.keys : header.args;
      if (section.length > 0 || (opened === 'KEYS' && header.args.length > 0) || header.hasReturns)
        throw new Error(`${place}: the header has first KEYS, then ARGV, then what the script returns`);
    } else if (/^-- (KEYS|ARGV)\b/.test(line)) {
      throw new Error(`${place}: '${line}' has an unknown form; '-- ${line.slice(3, 7)}' stands alone`);
    } else if (section) readParameterLine(line, place, section);
    else if (!header.hasReturns) prose.push(line.slice(3));
  }
  const [summary = ''] = prose.join(' ').split(/(?<=\.) /);
  header.summary = summary;
  checkNames([...header.keys, ...header.args]);
  checkOrder(header.keys);
  checkOrder(header.args);
  const open = header.args.find(({ unread }) => unread !== undefined);
  if (open) throw new Error(`${open.place}: the values of the group end with a comma`);
  return header;
}

/**
 * Adds what included files need to the keys and arguments of a script.
 * @param {Header} own
 * @param {Header[]} included
 * @returns {Header}
 * @throws {Error} when two of them declare one name in different ways
 */
export function mergeHeaders(own, included) {
  const merged = { ...own, keys: [...own.keys], args: [...own.args] };
  for (const { keys, args } of included) {
    for (const key of keys) addParameter(key, merged.keys, merged.args);
    for (const arg of args) addParameter(arg, merged.args, merged.keys);
  }
  checkOrder(merged.keys);
  checkOrder(merged.args);
  return merged;
}

/**
 * The name of a command stands in its call, where `commandsOf` finds it. A key or an argument has the name from the
 * header.
 * @param {string} file
 * @param {string} text of the file
 * @throws {Error} when a line does otherwise
 */
export function checkBody(file, text) {
  for (const [index, line] of text.split('\n').entries()) {
    const place = `${file}:${String(index + 1)}`;
    if (/redis\.p?call\((?!')/.test(line)) throw new Error(`${place}: a call does not name its command`);
    if (/^(?! *--).*\b(KEYS|ARGV)\[[#\d]/.test(line))
      throw new Error(`${place}: a key or an argument is used by its number; give it a name in the header`);
  }
}

/**
 * @param {string} line
 * @param {string} place
 * @param {Parameter[]} section to which the parameter is added
 */
function readParameterLine(line, place, section) {
  const latest = section.at(-1);
  const [, more] = CONTINUATION.exec(line) ?? [];
  if (more !== undefined && latest) {
    if (latest.unread === undefined) latest.text += ` ${more}`;
    else addMembers(latest, `${latest.unread} ${more}`);
    return;
  }
  const [, declared = ''] = DECLARATION.exec(line) ?? [];
  const [, name = '', mark, type = 'string', text = ''] = PARAMETER.exec(declared) ?? [];
  if (name === '') {
    const forms = "'--   name[...|?][: number|boolean]  text'";
    throw new Error(`${place}: '${line}' has an unknown form; a key or an argument is ${forms}`);
  }
  const form = mark === '...' ? 'list' : mark === '?' ? 'optional' : 'one';
  const [, what, group] = (form === 'list' && GROUP.exec(text)) || [];
  /** @type {Parameter} */
  const parameter = {
    name,
    form,
    type: /** @type {Type} */ (type),
    members: [],
    text: what ? `${what}.` : text,
    place,
  };
  section.push(parameter);
  if (group !== undefined) addMembers(parameter, group);
}

/**
 * @param {Parameter} parameter
 * @param {string} text the members, separated by commas; a comma at the end says that more are in the next line
 */
function addMembers(parameter, text) {
  delete parameter.unread;
  if (text.endsWith(',')) parameter.unread = text;
  else parameter.members = readMembers(text, parameter.place);
}

/**
 * @param {string} text the members, separated by commas
 * @param {string} place
 * @returns {Member[]}
 */
function readMembers(text, place) {
  const members = text.split(', ').map((word) => {
    const [, name = '', mark, type = 'string'] = MEMBER.exec(word) ?? [];
    if (name === '')
      throw new Error(`${place}: '${word}' is not a value of a group: 'name[...][: number|boolean]'`);
    return { name, type: /** @type {Type} */ (type), isList: mark === '...' };
  });
  const names = members.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new Error(`${place}: the name '${twice}' is used twice in the group`);
  if (members.slice(0, -1).some(({ isList }) => isList))
    throw new Error(`${place}: only the last value of a group can be a list`);
  return members;
}

/** @param {Parameter[]} parameters */
function checkNames(parameters) {
  const known = new Map();
  for (const { name, place } of parameters) {
    if (RESERVED.test(name)) throw new Error(`${place}: '${name}' is a word of Lua`);
    if (known.has(name))
      throw new Error(`${place}: the name '${name}' is used twice, first at ${known.get(name)}`);
    known.set(name, place);
  }
}

/** @param {Parameter[]} section */
function checkOrder(section) {
  const early = section.slice(0, -1).find(({ form }) => form !== 'one');
  if (early) {
    const what = early.form === 'list' ? 'is a list' : 'may be left out';
    throw new Error(`${early.place}: '${early.name}' ${what}, so it must be the last one`);
  }
}

/**
 * @param {Parameter} parameter of an included file
 * @param {Parameter[]} section of the script
 * @param {Parameter[]} otherSection
 */
function addParameter(parameter, section, otherSection) {
  const { name, form, type, place } = parameter;
  const other = otherSection.find((own) => own.name === name);
  if (other)
    throw new Error(`${place}: '${name}' is a key here and an argument at ${other.place}, or the reverse`);
  const own = section.find((known) => known.name === name);
  if (own) {
    const fits = own.form === form || (own.form === 'one' && form === 'optional');
    if (own.type !== type || !fits)
      throw new Error(`${place}: '${name}' is declared in another way at ${own.place}`);
    return;
  }
  const fixed = section.filter((known) => known.form === 'one').length;
  section.splice(form === 'one' ? fixed : section.length, 0, parameter);
}
