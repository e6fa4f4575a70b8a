/** The servers of this app, one for each subscription. Each handler says whose it is. */

export const COLLECTED = Symbol('the subscription that collects findings');
export const TOTALS = Symbol('the subscription that adds findings up');
