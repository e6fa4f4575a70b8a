import { RpcException } from '@nestjs/microservices';
import type { Refusal } from './contract.js';

export function refusal(message: string): RpcException {
  return new RpcException({ status: 'error', code: 'NOT_A_PACKAGE', message } satisfies Refusal);
}
