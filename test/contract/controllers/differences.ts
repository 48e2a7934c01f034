import type { KnownDifference } from '../known.ts'

/** Where our controllers and scheduler knowingly do otherwise. One that no scenario shows any more is a failure. */
export const differences: readonly KnownDifference[] = []
