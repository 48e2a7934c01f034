export { type ClusterConfig, inClusterConfig, loadKubeConfig } from './config.ts'
export {
  ApiError,
  apiError,
  isAlreadyExists,
  isConflict,
  isGone,
  isNamespaceTerminating,
  isNotFound,
} from './errors.ts'
export type * as objects from './generated/types.ts'
export { createKube, type KubeOptions } from './kube.ts'
export {
  compareResourceVersions,
  conditionTrue,
  controllerOf,
  getCondition,
  keyOf,
  ownerReference,
  parseKey,
} from './meta.ts'
export { pathOf } from './paths.ts'
export * from './resources.ts'
export { labelSelector, matches, matchesLabels } from './selector.ts'
export { httpTransport } from './transport.ts'
export * from './types.ts'
