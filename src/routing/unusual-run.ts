/**
 * Returns how many failures in a row are news of a candidate of whose calls a `share` fails in any case, 0..1: fewer come
 * by luck with more than `chance`. A candidate with good and bad calls mixed is judged by their price, and not by each
 * bad patch.
 */
export const unusualRun = (share: number, chance: number, least: number, most: number): number =>
  Math.min(most, Math.max(least, Math.log(chance) / Math.log(share)))
