import { defineConfig } from 'vitest/config';
import config from './vitest.config.js';

const test = { ...config.test, include: ['test/browser/*.browser.ts'], maxWorkers: 1 };
// They would bring their own files.
delete test.projects;

/** The console in a browser, Debian's `chromium`, which has to be there: `npm run test:console`. */
export default defineConfig({ ...config, test });
