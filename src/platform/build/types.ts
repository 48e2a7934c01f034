import type { Layout } from '#image'
import type { Clock, Logger } from '#lib'
import type { Delivery } from './deliver.ts'

/** Where the files of a build come from. */
export type BuildSource =
  | {
      /** A repository and a commit in it; `env` is git's environment for objects that are not accepted yet (quarantine). */
      gitDir: string
      commit: string
      env?: Record<string, string>
    }
  | { /** A folder; what git ignores in it is left out. */ directory: string }

export type BuildKind = 'elixir' | 'erlang' | 'node' | 'procfile'

export interface BuildRequest {
  app: string
  source: BuildSource
  /** Variables that the build may see, beside a fixed few. Never the app's secrets unless its owner says so. */
  buildEnv?: Record<string, string>
  /** Called with each line of progress, without newline. */
  write: (line: string) => void
  signal?: AbortSignal
}

export interface BuildResult {
  /** `sha256:HEX` of the image's manifest. The same source, tools and build variables give the same digest. */
  digest: string
  /** What pods refer to: `cuddle.local/APP@sha256:HEX`, or where it was delivered to. */
  image: string
  kind: BuildKind
  /** What gave the kind away: `found mix.exs`. */
  reason: string
  runtime: 'beam' | 'node' | 'generic'
  /** Commands that follow from the kind, by process name; a Procfile or spec comes before them. */
  processes: Record<string, string>
  /** Content of the files at the root that say how to run the app. */
  files: Record<string, string>
  /** Milliseconds by step, and `total`. */
  timings: Record<string, number>
  layers: { name: string; digest: string; size: number; reused: boolean }[]
  /** Bytes that were written to the layout. */
  written: number
  mode: 'cold' | 'warm'
}

export interface BuilderOptions {
  /** Caches lie below `home/builds/APP`. */
  home: string
  layout: Layout
  clock: Clock
  log: Logger
  /** Of the machine's environment only PATH is used. */
  hostEnv: Record<string, string | undefined>
  limits?: {
    /** @default 15 minutes */
    timeoutMs?: number
    /** Resident memory of all processes of one build together. @default 2 GiB */
    memoryBytes?: number
  }
  /** Where images go that are run on other machines. @default they stay in the layout, and run in place on this one */
  delivery?: Delivery
  /** The resident compilers; `false` builds cold always. */
  resident?:
    | false
    | {
        /** A compiler that was not used for so long is given back. @default 10 minutes */
        idleMs?: number
        /** Resident memory of all compilers together, beyond which the longest unused go. @default 512 MiB */
        maxTotalMemory?: number
      }
}

export interface Builder {
  /**
   * Source to image. Builds of one app run one after the other.
   * @throws CuddleError `build-failed` with the last lines as details; `nothing-to-build`, `bad-source`, `build-timeout`,
   * `build-out-of-memory`, `tool-missing`, `build-cancelled`
   */
  build(request: BuildRequest): Promise<BuildResult>
  /** Ends the app's compiler and removes its caches. */
  forget(app: string): Promise<void>
  /** Pids of the resident compilers, by app. */
  residents(): Map<string, number>
  /** Ends all compilers. */
  close(): Promise<void>
}

/** What a kind of app makes of a checked-out source. */
export interface Built {
  runtime: BuildResult['runtime']
  processes: Record<string, string>
  layers: LayerPlan[]
  mode: 'cold' | 'warm'
}

/** One layer to be: packed anew only when its key is not the one of last time. */
export interface LayerPlan {
  name: string
  key: string
  entries: () => readonly import('#image').TarEntry[]
}
