import { defineConfig } from 'vitest/config';
import config from './vitest.config.js';

const test = { ...config.test, include: ['test/tools/*.test.ts'] };
// They would bring their own files.
delete test.projects;

/** The demo, the benchmark, and the scripts of the project: `npm run test:tools`. */
export default defineConfig({ ...config, test });
