import type { Manifest } from './manifest.js';

/** The licence that a package.json states, in today's form or in one of the old ones. */
export function statedLicence({ license, licenses }: Manifest): string {
  const stated = [license, licenses].flat().map(licenceName).filter(Boolean);
  return stated.join(' OR ') || 'none stated';
}

function licenceName(licence: unknown): string {
  if (typeof licence === 'string') return licence.trim();
  if (typeof licence !== 'object' || licence === null || !('type' in licence)) return '';
  return typeof licence.type === 'string' ? licence.type.trim() : '';
}

const LICENCE_FILE = /^(licen[cs]e|copying|unlicense)\b/i;

/** Which of the files in a package's folder has the text of its licence. */
export function licenceFile(names: readonly string[]): string | null {
  return names.find((name) => LICENCE_FILE.test(name)) ?? null;
}
