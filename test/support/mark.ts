/** Returns a word that is nowhere else, so that it is found wherever it gets to. */
export const mark = (name: string): string => `canary-${name}-${Math.random().toString(36).slice(2, 14)}`
