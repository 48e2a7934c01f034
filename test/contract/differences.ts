import type { KnownDifference } from './known.ts'

/** Where the embedded API knowingly answers otherwise than kube-apiserver. One that no case shows any more is a failure. */
export const differences: readonly KnownDifference[] = [
  {
    in: 'the groups and their order',
    at: /body$/,
    why: 'resource.k8s.io (devices) and flowcontrol.apiserver.k8s.io are not served; metrics.k8s.io is, without another server',
  },
  {
    in: /^(the resources of the core group|aggregated discovery of core and apps)$/,
    at: /^GET \/api(\/v1)? body/,
    why: 'componentstatuses (deprecated since 1.19) are not served',
  },
  {
    in: 'events of a watch as tables',
    at: /columnDefinitions\[\d\]\.description$/,
    why: 'columns of tables have no prose; kubectl does not show it',
  },
  {
    in: /ingresses as a table|the generation counts changes of the spec/,
    at: /(cells\[3\]|loadBalancer\.ingress|managedFields)$/,
    why: 'the embedded router is an ingress controller and writes its address; the bare control plane has none',
  },
  {
    in: 'status of built-in kinds',
    at: /(lastProbeTime|lastTransitionTime)$/,
    why: 'times that are not set are absent instead of null',
  },
  {
    in: /replacing creates a few kinds|every kind/,
    at: /(rules|limits|managedFields)$/,
    why: 'empty lists are absent or empty instead of null',
  },
  {
    in: 'duplicate fields',
    at: /(data\.a|f:a)$/,
    why: 'of an object that stands twice the last one holds; Go merges the two',
  },
  {
    in: 'applies that are refused',
    at: /body\.message$/,
    why: 'what is wrong with YAML is told in the words of another parser',
  },
  {
    in: 'definitions that are refused',
    at: /body\.(message|details\.causes\[0\]\.message)$/,
    why: 'why a CEL rule does not compile is told in the words of another compiler',
  },
]
