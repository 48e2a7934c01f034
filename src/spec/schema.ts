import { z } from 'zod'
import * as field from './fields.ts'

/*
 * What may stand in cuddle.yaml. This schema is the one source of the file's TypeScript type, of validation, of the JSON
 * Schema for editors and of the reference page. Everything is optional; what is absent is filled in by normalise.ts.
 */

/** Kinds that the compiler makes and a patch may therefore name. */
export const patchableKinds = [
  'Namespace',
  'ServiceAccount',
  'ConfigMap',
  'Secret',
  'PersistentVolumeClaim',
  'NetworkPolicy',
  'Service',
  'Deployment',
  'StatefulSet',
  'PodDisruptionBudget',
  'HorizontalPodAutoscaler',
  'Ingress',
  'CronJob',
  'Job',
] as const

export const strategies = ['rolling', 'recreate', 'hot'] as const

const { strict } = field

const process = z
  .union([
    field.command.transform((command) => ({ command })),
    strict({
      command: field.command.optional().describe('What runs. Without it: the Procfile’s, or the detected one.'),
      scale: field.scale.optional(),
      size: field.size.optional(),
      port: field.port.optional().describe('Port that it listens on; given as `$PORT`. `web` has one always.'),
      health: field.health.optional(),
      storage: field.storage.optional(),
      drain: field.duration.optional().describe('Time to stop: half of it for connections and handover, then SIGTERM.'),
      strategy: z.enum(strategies).optional().describe('How a new release replaces the old one.'),
    }),
  ])
  .describe('A command, or `{command, scale, size, port, health, storage, drain, strategy}`.')

const release = z
  .union([
    field.command.transform((command) => ({ command })),
    strict({
      command: field.command,
      size: field.size.optional(),
      timeout: field.positiveDuration.optional().describe('Longest run.'),
    }),
  ])
  .describe('Runs once before a release goes live; a failure keeps the old release.')

const cron = strict({
  schedule: field.schedule.describe('Five fields (minute hour day month weekday) or @hourly, @daily …'),
  command: field.command,
  timezone: field.timezone.optional().describe('IANA name.'),
  size: field.size.optional(),
  timeout: field.positiveDuration.optional().describe('Longest run.'),
})

const addon = { type: field.addonName.optional(), size: z.string().max(40).optional() }
const addons = z
  .union([
    z.array(
      z.union([
        field.addonName.transform((name) => ({ name })),
        strict({ name: field.addonName.optional(), ...addon }),
      ]),
    ),
    z.record(field.addonName, strict(addon)),
  ])
  .describe('Services beside the app: `[postgres]` or `{db: {type: postgres, size: 10Gi}}`.')

export type EnvValue = { value: string } | { generate: true } | { prompt: true; description?: string }

const plain = z.union([z.string(), z.number(), z.boolean()])
const envValue = z.union([
  plain.transform((value): EnvValue => ({ value: String(value) })),
  strict({
    value: plain.transform(String).optional(),
    generate: z.literal(true).optional(),
    prompt: z.literal(true).optional(),
    description: z.string().max(500).optional(),
  }).transform((entry, context): EnvValue => {
    const { value, generate, prompt, description } = entry
    if ([value, generate, prompt].filter((part) => part !== undefined).length !== 1) {
      context.addIssue({ code: 'custom', message: 'needs exactly one of value, generate, prompt' })
    }
    if (generate) return { generate }
    if (prompt) return { prompt, ...(description === undefined ? {} : { description }) }
    return { value: value ?? '' }
  }),
])
const env = z
  .record(field.envName, envValue)
  .describe(
    'Variables: a plain value, `{generate: true}` (a secret made once), `{prompt: true}` (must be set by hand).',
  )

const beam = strict({
  cluster: z.boolean().optional().describe('Replicas find and join each other over Erlang distribution.'),
  port: field.port.optional().describe('The one distribution port (no epmd).'),
  cookie: z
    .union([z.literal('auto'), field.envName])
    .optional()
    .describe('`auto`: made and kept by Cuddle; else the config var that holds it.'),
  handover: field.moduleName
    .optional()
    .describe('Module whose `handover/1` gets the nodes that stay, before a node stops.'),
  vmArgs: field.vmArgs.optional().describe('Flags of the VM, as in `vm.args`; they go after the release’s own.'),
  sysConfig: field.sysConfig.optional().describe('Configuration, as in `sys.config`; it goes over the release’s own.'),
})

const build = strict({
  env: z.record(field.envName, plain.transform(String)).optional().describe('Variables of the build only.'),
  dir: z
    .string()
    .refine((path) => !path.startsWith('/') && !path.split('/').includes('..') && !path.includes('\0'), {
      message: 'build.dir must be a folder inside the repository',
    })
    .optional()
    .describe('Folder of the app inside the repository.'),
})

const reserved = ['apiVersion', 'kind', '__proto__']
const patch = strict({
  target: strict({
    kind: z.enum(patchableKinds).describe('Kind of the objects.'),
    name: z.string().optional().describe('Name of the object or of its process; without it every object of the kind.'),
  }),
  patch: z
    .record(z.string(), z.unknown())
    .refine((body) => !reserved.some((key) => Object.hasOwn(body, key)), 'a patch cannot change apiVersion or kind')
    .refine((body) => {
      const metadata = body.metadata as Record<string, unknown> | null | undefined
      return typeof metadata !== 'object' || metadata === null || !('name' in metadata || 'namespace' in metadata)
    }, 'a patch cannot rename an object or move it')
    .describe('Merged into the object: maps key by key, lists of named items by name, null removes.'),
})

const overridable = {
  processes: z.record(field.processName, process).optional().describe('Process name → command. `web` gets a URL.'),
  release: release.optional(),
  cron: z.record(field.processName, cron).optional().describe('Name → `{schedule, command, timezone, size, timeout}`.'),
  addons: addons.optional(),
  domains: z.array(field.domain).max(100).optional().describe('Host names beside the app’s own one.'),
  health: field.health.optional().describe('Health check of `web`: a path, or `{path, interval, timeout, …}`.'),
  scale: z
    .record(field.processName, field.scale)
    .optional()
    .describe('Process → `2`, `2..10` or `{min, max, target}`.'),
  env: env.optional(),
  size: field.size.optional().describe('Size of every process that names none: a named size or `{cpu, memory}`.'),
  storage: field.storage.optional().describe('Volumes of `web` (or of the only process): `{/data: 10Gi}`.'),
  drain: field.duration.optional().describe('Time to stop: half of it for connections and handover, then SIGTERM.'),
  strategy: z.enum(strategies).optional().describe('How a new release replaces the old one.'),
  beam: beam.optional().describe('How the app’s Erlang or Elixir nodes work together.'),
  patches: z.array(patch).max(200).optional().describe('Changes to the compiled objects, applied last.'),
}

const overrides = strict(overridable)

export const specFile = strict({
  app: field.appName.optional().describe('Name of the app.'),
  ...overridable,
  build: build.optional().describe('How the app is built.'),
  environments: z
    .record(field.environmentName, overrides)
    .optional()
    .describe('Name → the keys above (not `app`, `build`) that differ there.'),
})

/** A spec file after reading: still partial, every value in its normal form. */
export type SpecFile = z.output<typeof specFile>
export type SpecOverrides = z.output<typeof overrides>
export type Health = z.output<typeof field.health> & {
  interval?: number
  timeout?: number
  failures?: number
  start?: number
}
export type Command = z.output<typeof field.command>
export type Patch = z.output<typeof patch>
export type Strategy = (typeof strategies)[number]
