import { PAYLOAD } from '../payload.js';
import type { BenchTransport } from './bench-transport.js';

/** One kibibyte; the JSON of a payload is a multiple of it long. */
const KIB = 1_024;

/** The same transport with payloads whose JSON has so many KiB, each way. */
export function withPayload(transport: BenchTransport, kib: number): BenchTransport {
  const payload = { ...PAYLOAD, note: '' };
  const filled = { ...payload, note: 'n'.repeat(kib * KIB - JSON.stringify(payload).length) };
  return { ...transport, title: `${transport.title}, ${kib} KiB`, payload: filled };
}
