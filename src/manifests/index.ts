export { autoscaler } from './autoscaler.ts'
export { aloneNode, beamNodeLabel, cookieName, cookieSecret, schedulers } from './beam.ts'
export { budget } from './budget.ts'
export { clustered, reachable } from './clustered.ts'
export { argv } from './command.ts'
export { compile, prerequisites, scaleOf } from './compile.ts'
export { configSecret } from './config.ts'
export { type Change, diff, type ObjectDiff, withoutImages } from './diff.ts'
export { host } from './ingress.ts'
export { type RunOptions, releaseJob, runJob } from './job.ts'
export { appLabel, baseName, keepAnnotation, labels, objectName, processLabel, releaseAnnotation } from './names.ts'
export { namespace } from './namespace.ts'
export { portName } from './pod.ts'
export { pullSecret } from './pull-secret.ts'
export { renderDiff } from './render.ts'
export {
  goodbyeAnnotation,
  goodbyeVariable,
  handoverAnnotation,
  holdSeconds,
  leaveSeconds,
} from './stopping.ts'
export { autoscaled } from './targets.ts'
export type { CompileInput, Environment, ObjectInput } from './types.ts'
export { redacted, toYaml } from './yaml.ts'
