import {
  Inject,
  Module,
  type DynamicModule,
  type NestModule,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost } from '@nestjs/core';
import { InvalidOptionError } from 'elkmq';
import { checkGivenOptions, formatValue } from 'elkmq/internal';
import { ElkMqConsole } from '../console.js';
import { CONSOLE_OPTIONS, type ConsoleOptions } from '../options.js';

/** The options of the console in a Nest application. */
export interface ElkMqConsoleModuleOptions extends ConsoleOptions {
  /** The path of the console, below the global prefix of the application. Default `/elkmq`. */
  readonly path?: string | undefined;
}

const OPTIONS = Symbol('the options of ElkMqConsoleModule');

/**
 * Serves the console in a Nest application on Express or Fastify. Guards of the application are not asked,
 * because the console is no controller: the option `authorize` says who may do what.
 */
@Module({})
export class ElkMqConsoleModule implements NestModule, OnApplicationShutdown {
  readonly #console: ElkMqConsole;
  readonly #path: string;

  constructor(
    @Inject(OPTIONS) options: ElkMqConsoleModuleOptions,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
  ) {
    checkGivenOptions('ElkMqConsoleModule', options, [...CONSOLE_OPTIONS, 'path']);
    const { path = '/elkmq', ...rest } = options;
    this.#path = parsePath(path);
    this.#console = new ElkMqConsole(rest);
  }

  /**
   * Declares the console.
   * @throws {InvalidOptionError} when the application starts: an option is wrong, or in production there is
   * neither `authorize` nor `readOnly`
   */
  static forRoot(options: ElkMqConsoleModuleOptions = {}): DynamicModule {
    return { module: ElkMqConsoleModule, providers: [{ provide: OPTIONS, useValue: options }] };
  }

  /** Nest calls it at the start, when the global prefix is known. */
  configure(): void {
    const prefix = this.config.getGlobalPrefix().replace(/^\/+|\/+$/g, '');
    const path = `${prefix && `/${prefix}`}${this.#path}`;
    // Both adapters cut the path from the url of the request.
    this.host.httpAdapter.use(path, this.#console.handle);
  }

  /** Nest calls it at the end. */
  async onApplicationShutdown(): Promise<void> {
    await this.#console.close();
  }
}

function parsePath(path: unknown): string {
  if (typeof path === 'string' && /^(?:\/[\w.~-]+)+$/.test(path)) return path;
  throw new InvalidOptionError(`path must be a path such as /elkmq, got ${formatValue(path)}`);
}
