import { defineConfig } from 'vitest/config';
import config from './vitest.config.js';

/** Tests beside the original crate, which has to be built: `npm run test:interop`. */
export default defineConfig({
  ...config,
  test: { ...config.test, include: ['test/interop/**/*.interop.ts'], testTimeout: 120_000 },
});
