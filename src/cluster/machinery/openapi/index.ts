import { index } from '../schemas.ts'
import type { ResourceInfo } from '../types.ts'
import { type Dialect, Emitter } from './emit.ts'
import { resourcePaths } from './paths.ts'

const info = { title: 'Kubernetes', version: 'v1.36.0' }

function build(
  infos: readonly ResourceInfo[],
  dialect: Dialect,
): { paths: Record<string, any>; schemas: Record<string, any> } {
  const emitter = new Emitter(dialect)
  const { kinds } = index()
  const paths: Record<string, any> = {}
  const refOf = (gvk: { group: string; version: string; kind: string }) => {
    const name = kinds[`${gvk.group}|${gvk.version}|${gvk.kind}`]
    return name === undefined ? undefined : emitter.builtin(name)
  }
  for (const resource of infos) {
    const ref = resource.custom ? emitter.custom(resource) : refOf(resource)
    Object.assign(paths, resourcePaths(resource, emitter, ref, refOf))
  }
  return { paths, schemas: emitter.schemas }
}

/** The OpenAPI v3 document of one group and version: what kubectl ≥ 1.27 fetches for explain, apply and validation. */
export function openapiV3(infos: readonly ResourceInfo[]): Record<string, any> {
  const { paths, schemas } = build(infos, 'v3')
  return { openapi: '3.0.0', info, paths, components: { schemas } }
}

/** The OpenAPI v2 (Swagger) document of everything served, for clients older than that. */
export function openapiV2(infos: readonly ResourceInfo[]): Record<string, any> {
  const { paths, schemas } = build(infos, 'v2')
  return { swagger: '2.0', info, paths, definitions: schemas }
}
