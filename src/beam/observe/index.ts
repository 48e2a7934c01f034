export type { Sample, Usage } from './sample.ts'
export { createSampler, type Sampler, type SamplerOptions } from './sampler.ts'
export { type ProcessInfo, type Top, type TopBy, type TopOptions, topProcesses } from './top.ts'
export { type ApplicationTree, type SupervisionNode, supervisionTree, type TreeOptions } from './tree.ts'
