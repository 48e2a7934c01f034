import type { KnownDifference } from '../known.ts'

/** Where our controllers and scheduler knowingly do otherwise. One that no scenario shows any more is a failure. */
export const differences: readonly KnownDifference[] = [
  {
    in: /StatefulSet|ordinal|OnDelete|scaling down takes one|claims:/,
    at: /StatefulSet \S+\.spec\.updateStrategy\.rollingUpdate\.maxUnavailable$/,
    why: 'the gate MaxUnavailableStatefulSet (beta, off by default) is on for the comparison, and brings a default of 1 with it',
  },
  {
    in: /.*/,
    at: /Node \S+\.metadata\.annotations$/,
    why: 'nodes are not told how long kubelets may keep Secrets and ConfigMaps: the node agent watches them',
  },
  {
    in: /.*/,
    at: /EndpointSlice \S+( \(\d+\))?\.metadata\.annotations$/,
    why: 'slices do not say when the change came that they are for',
  },
  {
    in: 'an autoscaler without its metric or its target',
    at: /status\.(desiredReplicas|currentMetrics|conditions\[\d\]\.message)$/,
    why: 'before the first decision what there is counts as desired (0 there), and what was not read has no entry (an empty one there); the message does not repeat namespace and selector',
  },
  {
    in: /^claims:/,
    at: /PersistentVolumeClaim \S+\.(metadata\.(annotations|finalizers(\[\d\])?)|spec\.volumeName|status\.\w+)$/,
    why: 'claims of another class are not bound to volumes that were made by hand; the finalizer that protects a claim is our own',
  },
]
