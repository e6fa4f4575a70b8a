import { defineConfig } from 'vitest/config';
import config from './vitest.config.js';

const test = { ...config.test, include: ['test/interop/**/*.interop.ts'], testTimeout: 600_000 };
// They would bring their own files.
delete test.projects;

/** Tests beside the original crate, which has to be built: `npm run test:interop`. */
export default defineConfig({ ...config, test });
