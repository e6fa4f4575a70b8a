import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Seen from the compiled file, in dist/tools/scripts/demo. */
export const projectRoot = fileURLToPath(new URL('../../../../', import.meta.url));

export function appScript(app: 'api' | 'worker'): string {
  return join(projectRoot, 'dist', 'apps', app, 'main.js');
}
