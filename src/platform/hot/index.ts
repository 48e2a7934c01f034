export { type BeamFile, readBeam } from './beam-file.ts'
export { decideHot, type HotDecision, type Surroundings } from './decide.ts'
export {
  type HotOptions,
  type HotUpgrade,
  type Lingering,
  type ModuleCode,
  type NodeReport,
  type PreparedNode,
  type ProcessName,
  prepareNode,
} from './node-upgrade.ts'
export {
  diffReleases,
  listRelease,
  type ModuleChange,
  type ReleaseDiff,
  type ReleaseFiles,
  type ReleaseListing,
  type ReleaseModule,
} from './release-diff.ts'
export { readRelease } from './release-files.ts'
export { type HotOutcome, hotRollout, loadedVersions, type RolloutOptions } from './rollout.ts'
