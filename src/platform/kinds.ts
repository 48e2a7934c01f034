import type { KubeObject, ObjectMeta, ResourceType } from '#kube'
import type { AppSpecFields, AppStatus, BuildSpec, BuildStatus, ReleaseSpec, ReleaseStatus } from './resources.ts'

// Only types come from resources.ts: its schemas need zod, which is not wanted on the way to a fast start.
export type { Cause, Failure, HotStatus, ReleaseSpec } from './resources.ts'

interface Custom<Spec, Status> extends KubeObject {
  metadata: ObjectMeta
  spec: Spec
  status?: Status
}

export type AppObject = Custom<AppSpecFields, AppStatus>
export type ReleaseObject = Custom<ReleaseSpec, ReleaseStatus>
export type BuildObject = Custom<BuildSpec, BuildStatus>

const identity = { group: 'cuddle.dev', version: 'v1' } as const

/** What a developer owns: cluster-scoped, one Namespace of the same name each. */
export const App: ResourceType<AppObject> = { ...identity, kind: 'App', plural: 'apps', namespaced: false }
/** One immutable version of an app: image, config, spec and rendered objects together. */
export const Release: ResourceType<ReleaseObject> = {
  ...identity,
  kind: 'Release',
  plural: 'releases',
  namespaced: true,
}
/** One attempt to make an image. */
export const Build: ResourceType<BuildObject> = { ...identity, kind: 'Build', plural: 'builds', namespaced: true }

export const apiVersion = 'cuddle.dev/v1'

/** Labels of everything that belongs to an app. */
export const labels = {
  app: 'cuddle.dev/app',
  process: 'cuddle.dev/process',
} as const
