import { type Area } from './behaviour.js';
import { applications } from './behaviours/applications.js';
import { clients } from './behaviours/clients.js';
import { enhancers } from './behaviours/enhancers.js';
import { patterns } from './behaviours/patterns.js';
import { payloadArea } from './behaviours/payloads.js';
import { scopes } from './behaviours/scopes.js';
import { streams } from './behaviours/streams.js';

/** The behaviours that users of Nest's microservices rely on. */
export const areas: readonly Area[] = [
  patterns,
  payloadArea,
  streams,
  enhancers,
  scopes,
  clients,
  applications,
];
