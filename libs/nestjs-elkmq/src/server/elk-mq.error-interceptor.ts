import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { catchError, type Observable } from 'rxjs';
import { CONTEXT, hasBrand } from '../brands.js';
import type { ElkMqContext, OriginalError } from './elk-mq.context.js';

/**
 * Shows the transport the errors that handlers throw. Before a failure comes to a transport, Nest replaces
 * every error that is not an `RpcException` by "Internal server error". With this interceptor `retry.when`
 * gets the error itself, and a dead letter has its class, message and stack.
 *
 * It changes nothing else: exception filters work as before, and decide whether there is a failure at all.
 *
 * `ElkMqModule` provides it. A hybrid application that does not pass `inheritAppConfig: true` to
 * `connectMicroservice` puts `@UseInterceptors(ElkMqErrorInterceptor)` on its controllers.
 */
@Injectable()
export class ElkMqErrorInterceptor implements NestInterceptor {
  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    const context: unknown = execution.getType() === 'rpc' ? execution.getArgByIndex(1) : undefined;
    if (!hasBrand(context, CONTEXT)) return next.handle();
    // One of several handlers of a message has an object of its own: see `combineHandlers`.
    const own = execution.getArgByIndex<OriginalError | undefined>(2);
    const originalError = own ?? (context as ElkMqContext).originalError;
    // A controller may have one beside that of `ElkMqModule`. Only the outermost sees the error that comes to
    // the transport.
    if (originalError.isWatched) return next.handle();
    originalError.isWatched = true;
    return next.handle().pipe(
      catchError((error: unknown) => {
        originalError.error = error;
        throw error;
      }),
    );
  }
}
