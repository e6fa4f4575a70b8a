import { Catch, HttpException, HttpStatus, Logger, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { BaseRpcExceptionFilter } from '@nestjs/microservices';
import { EventQueueError, type EventQueueErrorCode } from 'elkmq';
import { readMember } from 'elkmq/internal';

/**
 * The answers to HTTP requests whose message has failed. The text of the error goes only to the log: it names
 * servers.
 */
const ANSWERS: Partial<Record<EventQueueErrorCode, [status: HttpStatus, message: string]>> = {
  ABANDONED: [HttpStatus.BAD_GATEWAY, 'The service went away while it was handling this'],
  BUFFER_FULL: [HttpStatus.SERVICE_UNAVAILABLE, 'Too much is waiting for the service'],
  CONNECTION_FAILED: [HttpStatus.SERVICE_UNAVAILABLE, 'The service cannot be reached'],
  ENQUEUE_FAILED: [HttpStatus.SERVICE_UNAVAILABLE, 'The service cannot be reached'],
  JSON_DUMP_FAILED: [HttpStatus.BAD_REQUEST, 'This cannot be sent as JSON'],
  JSON_PARSE_FAILED: [HttpStatus.BAD_GATEWAY, 'The answer of the service cannot be read'],
  PAYLOAD_TOO_LARGE: [HttpStatus.PAYLOAD_TOO_LARGE, 'This is too large'],
  QUEUE_FULL: [HttpStatus.SERVICE_UNAVAILABLE, 'Too much is waiting for the service'],
  TIMEOUT_EXPIRED: [HttpStatus.GATEWAY_TIMEOUT, 'The service did not answer in time'],
};

/**
 * Answers HTTP requests whose messages have failed, in an application that has an `ElkMqClient`:
 * `providers: [{ provide: APP_FILTER, useClass: ElkMqHttpExceptionFilter }]`.
 *
 * - An error of the transport is answered by its `code`: `TIMEOUT_EXPIRED` with 504; `CONNECTION_FAILED`,
 *   `ENQUEUE_FAILED`, `QUEUE_FULL` and `BUFFER_FULL` with 503; `ABANDONED` and `JSON_PARSE_FAILED` with 502;
 *   `REJECTED` with 422 and the reason that the handler gave; `PAYLOAD_TOO_LARGE` with 413;
 *   `JSON_DUMP_FAILED` with 400. The body is `{ statusCode, code, message }`.
 * - A handler can throw `new RpcException({ statusCode, … })`, with a status from 400 to 599. This object is
 *   the body.
 * - Nest answers everything else, and everything that is not HTTP.
 */
@Catch()
export class ElkMqHttpExceptionFilter extends BaseExceptionFilter {
  readonly #logger = new Logger('ElkMqHttpExceptionFilter');
  readonly #rpc = new BaseRpcExceptionFilter();

  /** Answers an HTTP request with the status that the code of the error stands for. */
  override catch(exception: unknown, host: ArgumentsHost): unknown {
    switch (host.getType()) {
      case 'http':
        super.catch(this.#answerOf(exception), host);
        return undefined;
      case 'rpc':
        return this.#rpc.catch(exception, host);
      default:
        throw exception;
    }
  }

  #answerOf(exception: unknown): unknown {
    if (exception instanceof EventQueueError) return this.#answerOfTransport(exception);
    const statusCode = exception instanceof Error ? undefined : readMember(exception, 'statusCode');
    if (typeof statusCode !== 'number' || !(statusCode >= 400 && statusCode < 600)) return exception;
    return new HttpException(exception as object, statusCode);
  }

  #answerOfTransport(error: EventQueueError): unknown {
    const { code, message } = error;
    if (code === 'REJECTED') return answer(HttpStatus.UNPROCESSABLE_ENTITY, code, message, error);
    const known = ANSWERS[code];
    // The application has made a mistake, such as a wrong option.
    if (!known) return error;
    this.#logger.error(`${error.name}: ${message}`);
    const [statusCode, text] = known;
    return answer(statusCode, code, text, error);
  }
}

function answer(statusCode: HttpStatus, code: string, message: string, cause: Error): HttpException {
  return new HttpException({ statusCode, code, message }, statusCode, { cause });
}
