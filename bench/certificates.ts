import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findOnPath } from '../scripts/install-redis.js';
import type { Certificates } from './addresses.js';

/** @returns why there can be no TLS here; `undefined` when there can */
export function whyNoTls(): string | undefined {
  return findOnPath('openssl') === undefined ? 'openssl is not installed' : undefined;
}

export interface TemporaryCertificates extends Certificates {
  /** Deletes the files. */
  remove(): Promise<void>;
}

const DAYS = '2';

/** Makes an authority, and a certificate for the IP addresses that it has signed. */
export async function makeCertificates(addresses: readonly string[]): Promise<TemporaryCertificates> {
  const folder = await mkdtemp(join(tmpdir(), 'elkmq-bench-'));
  const file = (name: string) => join(folder, name);
  const openssl = async (...args: string[]) => promisify(execFile)('openssl', args);
  const remove = () => rm(folder, { recursive: true, force: true });
  const newKey = (name: string) => ['-newkey', 'rsa:2048', '-nodes', '-keyout', file(`${name}.key`)];
  try {
    await openssl(
      'req',
      '-x509',
      ...newKey('authority'),
      '-subj',
      '/CN=bench',
      '-days',
      DAYS,
      '-out',
      file('authority.crt'),
    );
    await openssl('req', ...newKey('broker'), '-subj', '/CN=broker', '-out', file('broker.csr'));
    const names = addresses.map((address) => `IP:${address}`);
    await writeFile(file('names'), `subjectAltName=${names.join(',')}\n`);
    const signed = ['-CA', file('authority.crt'), '-CAkey', file('authority.key'), '-CAcreateserial'];
    await openssl(
      ...['x509', '-req', '-in', file('broker.csr'), ...signed],
      ...['-days', DAYS, '-extfile', file('names'), '-out', file('broker.crt')],
    );
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    authority: file('authority.crt'),
    certificate: file('broker.crt'),
    key: file('broker.key'),
    remove,
  };
}
