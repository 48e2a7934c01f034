import type { KnownDifference } from '../known.ts'

/** What the embedded node says otherwise than kubelet with containerd, and why. */
export const differences: readonly KnownDifference[] = []
