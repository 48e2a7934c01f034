import type { AppSpec, Scale } from '#spec'

/** All that objects are made from. The same input gives the same bytes. */
export interface CompileInput {
  app: string
  /** The app's own Namespace. */
  namespace: string
  spec: AppSpec
  /** Number of the release; stands in annotations only, so that it restarts nothing. */
  release: number
  /** By digest: `cuddle.local/APP@sha256:…`. */
  image: string
  /** Config vars; every one is treated as a secret. They win over `spec.env`. */
  config: Record<string, string>
  /** Replicas, or their range, that were set by hand, by process; they win over the spec. */
  scale: Record<string, number | Scale>
  environment: Environment
  runtime: 'beam' | 'node' | 'generic'
}

/** What an object's metadata is made from. */
export type ObjectInput = Pick<CompileInput, 'app' | 'namespace' | 'release'>

/** What the place that the app runs in is like. */
export interface Environment {
  /** Apps are reached at APP.baseDomain. */
  baseDomain: string
  /** Port of the router, where it is not the scheme's own. For people; objects do not hold it. */
  routerPort?: number
  ingressClassName?: string
  scheme: 'http' | 'https'
  /** The registry wants to know who pulls: each app has Secret `APP-registry`. @default false */
  privateRegistry?: boolean
}
