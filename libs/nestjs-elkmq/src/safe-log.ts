import { messageOf } from 'elkmq/internal';

/** Takes the lines of a log. */
export interface Log {
  log(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/**
 * Returns a log that never throws. The logger of an application may throw, and the message must be handled
 * all the same. Then the line goes to the console.
 */
export function safeLog(logger: Log): Log {
  const write = (level: keyof Log, message: string): void => {
    try {
      logger[level](message);
    } catch (error) {
      // eslint-disable-next-line no-console -- nothing else is left
      console.error(`${message} (the logger of the application has failed: ${messageOf(error)})`);
    }
  };
  return {
    log(message) {
      write('log', message);
    },
    warn(message) {
      write('warn', message);
    },
    error(message) {
      write('error', message);
    },
  };
}
