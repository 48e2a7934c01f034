import { z } from 'zod'
import { resource } from '#operator'
import * as kinds from './kinds.ts'

/** Who or what made a release. */
export const causeSchema = z.object({
  kind: z.enum(['create', 'push', 'deploy', 'config', 'resize', 'rollback']),
  /** One line for `cuddle releases`: `Deploy 3f2a91c`, `Set DATABASE_URL`. */
  message: z.string(),
  user: z.string().optional(),
  commit: z.string().optional(),
  author: z.string().optional(),
  /** The release that a rollback restores. */
  restores: z.number().int().optional(),
})

/** Why a rollout failed, as the user reads it. */
export const failureSchema = z.object({
  reason: z.enum([
    'crash',
    'oom',
    'probe',
    'image',
    'config',
    'port',
    'unschedulable',
    'release-command',
    'refused',
    'deadline',
    'hot',
    'hot-stuck',
  ]),
  /** One sentence: what happened. */
  message: z.string(),
  process: z.string().optional(),
  pod: z.string().optional(),
  exitCode: z.number().int().optional(),
  signal: z.number().int().optional(),
  probe: z.string().optional(),
  logs: z.array(z.string()).optional(),
  events: z.array(z.string()).optional(),
  /** What it most likely is. */
  cause: z.string().optional(),
  /** The command to run next. */
  next: z.string().optional(),
})

/** How the code of a release gets into pods that run another. */
export const hotSchema = z.object({
  /**
   * `loading`: nodes may be suspended; whoever is left alone goes back. `committing`: every node has the new code and waits for the
   * word. `committed`: the pods below run it. `aborted`: all pods are as before. `stuck`: pods run it, it is no good, and there is no
   * way back but new pods. `rolling`: it is not done hot.
   */
  state: z.enum(['loading', 'committing', 'committed', 'aborted', 'stuck', 'rolling']),
  /** The release that runs until then. */
  from: z.number().int().optional(),
  /** Why it is not done hot, or was taken back. */
  reasons: z.array(z.string()).optional(),
  /** What is worth knowing besides. */
  notes: z.array(z.string()).optional(),
  changed: z.array(z.string()).optional(),
  added: z.array(z.string()).optional(),
  removed: z.array(z.string()).optional(),
  /** How often it was begun. */
  attempts: z.number().int().optional(),
  pods: z
    .array(
      z.object({
        pod: z.string(),
        uid: z.string(),
        restarts: z.number().int(),
        /** Whether the release's code runs there. */
        loaded: z.boolean(),
        /**
         * Of what was taken back, a pod of which it is not known that it is as before. `lost`: it does not answer; it goes back by itself, or
         * has ended. `replaced`: a new pod takes its place.
         */
        left: z.enum(['lost', 'replaced']).optional(),
        processes: z.number().int().optional(),
        migrated: z.number().int().optional(),
        /** Milliseconds from the first suspension to the last resumption. */
        suspendedMs: z.number().optional(),
        problems: z.array(z.string()).optional(),
      }),
    )
    .optional(),
})

const appSpec = z.object({
  /** Replicas per process that `cuddle ps:scale` set; they win over the spec's. */
  scale: z.record(z.string(), z.number().int().min(0).max(1000)).optional(),
  /** Ranges of replicas per process that `cuddle ps:scale` set; a process is in `scale` or here. */
  autoscale: z
    .record(
      z.string(),
      z.object({
        min: z.number().int().min(1).max(1000),
        max: z.number().int().min(1).max(1000),
        /** Utilisation in per cent that is aimed for. */
        target: z.number().int().min(1).max(1000).optional(),
      }),
    )
    .optional(),
  /** When `cuddle ps:restart` was last asked, per process (`*` = all). */
  restarts: z.record(z.string(), z.string()).optional(),
})

const appStatus = z.object({
  currentRelease: z.number().int().optional(),
  latestRelease: z.number().int().optional(),
  url: z.string().optional(),
  /** Fingerprint of what was last applied: release, scale, restarts. */
  applied: z.string().optional(),
  observedGeneration: z.number().int().optional(),
  conditions: z.array(z.any()).optional(),
})

export const AppDefinition = resource({
  ...kinds.App,
  spec: appSpec,
  status: appStatus,
  printerColumns: [
    { name: 'Release', type: 'integer', jsonPath: '.status.currentRelease' },
    { name: 'URL', type: 'string', jsonPath: '.status.url' },
    { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
})

const releaseSpec = z.object({
  app: z.string(),
  number: z.number().int().min(1),
  cause: causeSchema,
  /** By digest; absent before the first deploy. */
  image: z.string().optional(),
  /** What the builder detected: elixir, erlang, node, procfile. */
  kind: z.string().optional(),
  runtime: z.enum(['beam', 'node', 'generic']).optional(),
  build: z.string().optional(),
  /** The normalised app spec. */
  spec: z.any().optional(),
  /** Sizes per process that `cuddle ps:resize` set; they win over the spec's. */
  sizes: z.record(z.string(), z.object({ cpu: z.string(), memory: z.string() })).optional(),
  /** The immutable Secret with the config vars of this release. */
  configSecret: z.string().optional(),
  /** Runs once before the rollout. */
  releaseCommand: z.boolean().optional(),
  /** What was said about the way in which it goes live (`git push -o`). */
  rollout: z
    .object({
      /** `hot`: although the spec does not say so. `rolling`: with new pods, whatever the spec says. */
      mode: z.enum(['hot', 'rolling']).optional(),
      /** Processes that still run code from before the present one may be killed. */
      purge: z.boolean().optional(),
    })
    .optional(),
  /** The rendered objects, without secret values. */
  objects: z.array(z.any()),
})

const releaseStatus = z.object({
  phase: z.enum(['Pending', 'Releasing', 'RollingOut', 'RollingBack', 'Succeeded', 'Failed']).optional(),
  /** Progress or outcome in one line. */
  message: z.string().optional(),
  startedAt: z.string().optional(),
  finishedAt: z.string().optional(),
  failure: failureSchema.optional(),
  hot: hotSchema.optional(),
})

export const ReleaseDefinition = resource({
  ...kinds.Release,
  immutableSpec: true,
  spec: releaseSpec,
  status: releaseStatus,
  printerColumns: [
    { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
    { name: 'Cause', type: 'string', jsonPath: '.spec.cause.message' },
    { name: 'User', type: 'string', jsonPath: '.spec.cause.user', priority: 1 },
    { name: 'Image', type: 'string', jsonPath: '.spec.image', priority: 1 },
    { name: 'Message', type: 'string', jsonPath: '.status.message' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
})

const buildSpec = z.object({
  app: z.string(),
  commit: z.string().optional(),
  author: z.string().optional(),
  subject: z.string().optional(),
  user: z.string().optional(),
})

const buildStatus = z.object({
  phase: z.enum(['Running', 'Succeeded', 'Failed']).optional(),
  kind: z.string().optional(),
  image: z.string().optional(),
  mode: z.string().optional(),
  message: z.string().optional(),
  startedAt: z.string().optional(),
  finishedAt: z.string().optional(),
  timings: z.record(z.string(), z.number()).optional(),
})

export const BuildDefinition = resource({
  ...kinds.Build,
  spec: buildSpec,
  status: buildStatus,
  printerColumns: [
    { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
    { name: 'Commit', type: 'string', jsonPath: '.spec.commit' },
    { name: 'Kind', type: 'string', jsonPath: '.status.kind' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
})

export type Cause = z.infer<typeof causeSchema>
export type Failure = z.infer<typeof failureSchema>
export type HotStatus = z.infer<typeof hotSchema>
export type AppSpecFields = z.infer<typeof appSpec>
export type AppStatus = z.infer<typeof appStatus>
export type ReleaseSpec = z.infer<typeof releaseSpec>
export type ReleaseStatus = z.infer<typeof releaseStatus>
export type BuildSpec = z.infer<typeof buildSpec>
export type BuildStatus = z.infer<typeof buildStatus>

/** The custom resources that the platform installs before it starts. */
export const definitions = [AppDefinition, ReleaseDefinition, BuildDefinition]
