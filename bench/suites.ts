import {
  httpNames,
  optionNames,
  OURS,
  payloadNames,
  peerNames,
  transportNames,
  type TransportName,
} from './transports/index.js';

/** What is compared in one run. */
export interface Suite {
  readonly names: readonly TransportName[];
  /** How many requests are in flight. */
  readonly levels: readonly number[];
  /** In a line, for the usage. */
  readonly about: string;
}

/** What is compared when no flag says otherwise. */
export const TRANSPORTS: Suite = {
  names: transportNames,
  levels: [1, 16, 64, 256, 1024],
  about: 'the transports',
};

/** By the flag that asks for it. */
export const SUITES = {
  options: {
    names: [OURS, ...optionNames],
    levels: [1, 64, 256],
    about: 'ElkMQ with one option each, beside ElkMQ without',
  },
  payloads: {
    names: payloadNames,
    levels: [1, 16, 64],
    about: 'payloads of 1, 16 and 256 KiB: ElkMQ, the raw loop and Nest Redis',
  },
  http: {
    names: httpNames,
    levels: [1, 16, 64, 256],
    about: 'an Express API in front of ElkMQ and of Nest Redis',
  },
  peers: {
    names: [OURS, ...peerNames],
    levels: [1, 16, 64],
    about: 'what users of other projects take, built or installed in bench/peers',
  },
  strace: {
    names: ['elkmq', 'raw', 'redis'],
    levels: [1, 16, 64],
    about: 'system calls of client and worker for each request, counted by strace',
  },
} as const satisfies Record<string, Suite>;

export type SuiteFlag = keyof typeof SUITES;

export const SUITE_FLAGS = Object.keys(SUITES) as SuiteFlag[];
