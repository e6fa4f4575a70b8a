import { computed, signal } from '@preact/signals';

/** A view and its parameters. Each view has an address: `#/message?queue=orders&id=1-0`. */
export interface Route {
  readonly view: string;
  readonly parameters: URLSearchParams;
}

const hash = signal(location.hash);
addEventListener('hashchange', () => {
  hash.value = location.hash;
});

/** The view that is shown. */
export const route = computed<Route>(() => {
  const [view = '', query = ''] = hash.value.replace(/^#\/?/, '').split('?', 2);
  return { view, parameters: new URLSearchParams(query) };
});

/** The address of a view. Parameters that are empty or undefined are left out. */
export function addressOf(
  view: string,
  parameters: Readonly<Record<string, string | undefined>> = {},
): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => Boolean(entry[1]));
  const query = new URLSearchParams(given).toString();
  return `#/${view}${query && `?${query}`}`;
}

/** Goes to a view. */
export function navigateTo(address: string): void {
  location.hash = address;
}
