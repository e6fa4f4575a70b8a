// The package brings no types.
declare module 'cluster-key-slot' {
  /** The slot of a key: of its hash tag, if it has one. */
  export default function keySlot(key: string | Uint8Array): number;
}
