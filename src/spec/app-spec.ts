import type { Size } from './fields.ts'
import type { Command, EnvValue, Patch, Strategy } from './schema.ts'
import type { Scale } from './values.ts'

/**
 * The app spec in its normal form: every default filled in, every shorthand written out, plain JSON. It is what a Release
 * keeps and what the compiler reads; times are whole seconds, quantities canonical.
 */
export interface AppSpec {
  /** Name that the file gives the app, when it does. */
  app?: string
  /** In the order they were written, `web` first. */
  processes: Record<string, ProcessSpec>
  release?: TaskSpec
  cron: Record<string, CronSpec>
  addons: AddonSpec[]
  domains: string[]
  env: Record<string, EnvValue>
  beam: BeamSpec
  build: { env: Record<string, string>; dir: string }
  patches: Patch[]
}

export interface ProcessSpec {
  command: Command
  /** @default {min: 1, max: 1} */
  scale: Scale
  /** @default small */
  size: Size
  /** Always set for `web`. @default 8080 for `web`, none for others */
  port?: number
  /** Set where there is a port. */
  health?: HealthSpec
  /** Mount path → size. @default {} */
  storage: Record<string, string>
  /** Seconds a stop may take once the pod has left the rotation: half for what is open, half from SIGTERM on. @default 30 */
  drain: number
  /** @default rolling; recreate where there is storage */
  strategy: Strategy
}

/** Seconds throughout. */
export interface HealthSpec {
  /** Without it, the check is that the port accepts. */
  path?: string
  /** @default 5 */
  interval: number
  /** @default 3 */
  timeout: number
  /** @default 3 */
  failures: number
  /** From start until the first good check. @default 60 */
  start: number
}

/** Something that runs to its end. */
export interface TaskSpec {
  command: Command
  /** @default small */
  size: Size
  /** Seconds. @default 600 for release, 3600 for cron */
  timeout: number
}

export interface CronSpec extends TaskSpec {
  schedule: string
  /** @default Etc/UTC */
  timezone: string
}

export interface AddonSpec {
  name: string
  type: string
  size?: string
}

export interface BeamSpec {
  /** @default false */
  cluster: boolean
  /** Distribution port. @default 9100 */
  port: number
  /** `auto`, or the config var that holds the cookie. @default auto */
  cookie: string
  /** Module whose `handover/1` is called in a node that is about to stop. */
  handover?: string
  /** Lines as of vm.args, beside the release's own. */
  vmArgs?: string
  /** One Erlang list with its dot, beside the release's own. */
  sysConfig?: string
}

export const defaults = {
  scale: { min: 1, max: 1 },
  size: 'small',
  port: 8080,
  health: { interval: 5, timeout: 3, failures: 3, start: 60 },
  drain: 30,
  releaseTimeout: 600,
  cronTimeout: 3600,
  timezone: 'Etc/UTC',
  beam: { cluster: false, port: 9100, cookie: 'auto' },
} as const
