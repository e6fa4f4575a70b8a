/** Where the processes of a run listen, and how. */
export interface Addresses {
  readonly broker: string;
  /** Of a worker that is reached without a broker. */
  readonly worker: string;
  /** Absent: without TLS. */
  readonly certificates?: Certificates;
}

/** Files of a certificate for the broker, and of the authority that has signed it. */
export interface Certificates {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

export const LOOPBACK: Addresses = { broker: '127.0.0.1', worker: '127.0.0.1' };
