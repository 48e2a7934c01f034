export { type BeamFile, readBeam } from './beam-file.ts'
export { decideHot, type HotDecision, type Surroundings } from './decide.ts'
export { type PreparedNode, prepareNode, type SurveyedNode, surveyNode } from './node-upgrade.ts'
export type { Lingering, ProcessName } from './process-names.ts'
export {
  diffReleases,
  listRelease,
  type ModuleChange,
  type ReleaseDiff,
  type ReleaseFiles,
  type ReleaseListing,
  type ReleaseModule,
} from './release-diff.ts'
export { type LayerFiles, readLayer, readRelease } from './release-files.ts'
export type { NodeReport } from './report.ts'
export { type HotOutcome, hotRollout, loadedVersions, type RolloutOptions } from './rollout.ts'
export type { HotOptions, HotUpgrade, ModuleCode } from './upgrade-types.ts'
