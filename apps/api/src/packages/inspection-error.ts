import {
  BadGatewayException,
  BadRequestException,
  GatewayTimeoutException,
  type HttpException,
} from '@nestjs/common';
import { TimeoutExpiredError } from 'nestjs-elkmq';
import type { Refusal } from '../contract.js';

/** The HTTP answer to a request that a worker refused, failed or did not answer. */
export function toHttpException(error: unknown): HttpException {
  if (isRefusal(error)) return new BadRequestException(error.message);
  if (error instanceof TimeoutExpiredError) return new GatewayTimeoutException(error.message);
  return new BadGatewayException(reasonOf(error));
}

/** A failure comes as an error of the client's own, or as whatever the handler answered instead of a finding. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error) return `${error.name}: ${error.message}`;
  return isRefusal(error) ? error.message : JSON.stringify(error);
}

function isRefusal(error: unknown): error is Refusal {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'NOT_A_PACKAGE';
}
