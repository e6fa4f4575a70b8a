// Builds a demo app and the packages, if their sources have changed since they were built like this: `build-app.mjs api`.
// Several of these may run at once. One builds at a time, so that no app starts from files that are just being written.
import { execSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** What this script knows of its last builds. */
const folder = join(root, 'dist/built');
/** Holds the process id of who builds. */
const lock = join(folder, 'lock');
const LOOK_MS = 100;
const CONFIGURATION = ['package.json', 'package-lock.json', 'tsconfig.json', 'nest-cli.json'];
const PACKAGES = ['libs/elkmq', 'libs/nestjs-elkmq'];
const LIBRARIES = PACKAGES.flatMap((path) =>
  ['src', 'package.json', 'tsconfig.lib.json'].map((part) => `${path}/${part}`),
);

const app = process.argv[2] ?? '';
if (!existsSync(join(root, 'apps', app, 'src/main.ts'))) {
  console.error(`Usage: node scripts/build-app.mjs api|worker`);
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
while (!isLocked()) await sleep(LOOK_MS);
try {
  build('libs', 'libs/nestjs-elkmq/dist/index.js', LIBRARIES, 'npm run --silent build:lib');
  build(`apps/${app}`, `dist/apps/${app}/main.js`, [...LIBRARIES, `apps/${app}`], `npx nest build ${app}`);
} finally {
  rmSync(lock);
}

/** Whether this process has the lock now. A process that was killed while it had it has it no more. */
function isLocked() {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    if (!isRunning(lockedBy())) rmSync(lock, { force: true });
    return false;
  }
}

/** 0 when it is free, or about to be written. */
function lockedBy() {
  try {
    return Number(readFileSync(lock, 'utf8'));
  } catch {
    return 0;
  }
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    // 0 would be this process and its group.
    return pid === 0 || process.kill(pid, 0);
  } catch {
    return false;
  }
}

/**
 * @param {string} what
 * @param {string} output a file that the build makes
 * @param {string[]} sources files and folders
 * @param {string} command
 */
function build(what, output, sources, command) {
  const stamp = join(folder, what.replace('/', '-'));
  const newest = Math.max(...[...CONFIGURATION, ...sources].map((path) => lastChange(join(root, path))));
  if (existsSync(join(root, output)) && existsSync(stamp) && statSync(stamp).mtimeMs > newest) return;
  console.log(`Building ${what} …`);
  const start = new Date();
  execSync(command, { cwd: root, stdio: 'inherit' });
  writeFileSync(stamp, '');
  // What is changed while it is being built is not in it.
  utimesSync(stamp, start, start);
}

/**
 * When a file, or anything in a folder, was last changed. What is generated is not looked at.
 * @param {string} path
 * @returns {number}
 */
function lastChange(path) {
  const changed = statSync(path);
  if (!changed.isDirectory()) return path.endsWith('.generated.ts') ? 0 : changed.mtimeMs;
  return Math.max(changed.mtimeMs, ...readdirSync(path).map((name) => lastChange(join(path, name))));
}
