import type { KnownDifference } from '../known.ts'

/** Where our controllers and scheduler knowingly do otherwise. One that no scenario shows any more is a failure. */
export const differences: readonly KnownDifference[] = [
  {
    in: /StatefulSet|ordinal|OnDelete|scaling down takes one|claims:/,
    at: /StatefulSet \S+\.spec\.updateStrategy\.rollingUpdate\.maxUnavailable$/,
    why: 'the gate MaxUnavailableStatefulSet (beta, off by default) is on for the comparison, and brings a default of 1 with it',
  },
]
