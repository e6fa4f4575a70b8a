// The console in the browser, for any Node server. `elkmq-console/nest` has the module for Nest.
export { ElkMqConsole } from './console.js';
export type { ConsoleAction, ConsoleOptions } from './options.js';
export type { ActionRecord, ConsoleActionKind } from './queues/action-log.js';
export type { ConsoleMessage } from './queues/console-message.js';
