/** This machine cannot do what was asked for, and the message says why. Nothing is wrong, so a command ends with 0. */
export class NotHereError extends Error {}
