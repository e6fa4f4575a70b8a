export { ElkMqConsoleModule } from './console.module.js';
export type { ElkMqConsoleModuleOptions } from './console.module.js';
