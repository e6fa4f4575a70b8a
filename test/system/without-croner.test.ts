import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ELKMQ = new URL('../../libs/elkmq/dist/index.js', import.meta.url).href;
/** Has croner not found, as where it is not installed. */
const HOOKS = `export function resolve(name, context, next) {
  if (name === 'croner') throw new Error("Cannot find package 'croner'");
  return next(name, context);
}`;
const PROGRAM = `
  import { register } from 'node:module';
  register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(HOOKS)}));
  const { Schedules } = await import('${ELKMQ}');
  const schedules = new Schedules('reports', 'redis://127.0.0.1:1');
  await schedules.declare({ name: 'report', cron: '0 3 * * *' }).catch(({ code, message }) => console.log(code, message));
  await schedules.close();`;

it('an application without croner is told what to install when it declares a schedule', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
  });
  expect(stdout).toBe(
    "INVALID_OPTION schedules need the package croner: npm install croner@11 (Cannot find package 'croner')\n",
  );
});
