export { type AppJsonResult, readAppJson } from './app-json.ts'
export {
  type AddonSpec,
  type AppSpec,
  type BeamSpec,
  type CronSpec,
  defaults,
  type HealthSpec,
  type ProcessSpec,
  type TaskSpec,
} from './app-spec.ts'
export { missingConfig, validConfig } from './config.ts'
export { checkCron } from './cron.ts'
export { type Size, sizes } from './fields.ts'
export { checkConfigName, checkProcessName, maxAppName, maxProcessName, validAppName } from './names.ts'
export { formatProblem, type Problem } from './problems.ts'
export { type Procfile, type ProcfileResult, readProcfile } from './procfile.ts'
export { type FieldDoc, referenceTable, specJsonSchema, specReference } from './reference.ts'
export {
  type Detected,
  type ParseResult,
  parseSpec,
  type ResolveInput,
  type ResolveResult,
  resolveSpec,
} from './resolve.ts'
export type { Command, EnvValue, Patch, Strategy } from './schema.ts'
export { readSize } from './size.ts'
export type { Target } from './targets.ts'
export { maxReplicas, readScale, type Scale } from './values.ts'
