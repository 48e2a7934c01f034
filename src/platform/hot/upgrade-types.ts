import type { Term } from '#beam'
import type { Clock } from '#lib'

/** A module as it shall run. */
export interface ModuleCode {
  name: string
  /** The BEAM file. */
  binary: Uint8Array
  /** Its `code:module_md5/1`, where that is known: it is what must run in the end. */
  md5?: Uint8Array
  /** Where its file lies on the node, for modules that are new there. */
  file?: string
  /** What runs now, for a node that was upgraded before and whose disk holds something older. */
  previous?: Uint8Array
  /** `code:module_md5/1` of what must be running now; without it, anything may. */
  expected?: Uint8Array
  /** Has an `on_load` function (every NIF module): OTP refuses to load it together with others. */
  onLoad?: boolean
}

export interface HotUpgrade {
  /** Changed and new ones. Those that run already are left alone. */
  modules: readonly ModuleCode[]
  /** Modules that are gone from the release: deleted at the end, when nobody uses them. */
  removed?: readonly string[]
  /**
   * `down`: back to an older release. `code_change({down, Vsn}, …)` runs in the newer code, before the older is loaded (OTP
   * design principles, "Release Handling").
   * @default 'up'
   */
  direction?: 'up' | 'down'
  /** Of `down`: `-vsn` of the modules that come back. */
  targetVersions?: ReadonlyMap<string, Term>
  /** Takes back what was loaded just now: the children that supervisors got by it are ended. @default false */
  undo?: boolean
}

export interface HotOptions {
  /** `Extra` of code_change. @default [] */
  extra?: Term
  /** How long the processes may take to stop in their loops, all together. @default 3000 */
  suspendTimeoutMs?: number
  /** How long the code_changes may take, all together. @default 5000 */
  changeTimeoutMs?: number
  /** How long a node keeps its processes suspended for our word; then it goes back by itself. @default 10 000 */
  holdMs?: number
  /** How long a prepared node waits for the others. @default 60 000 */
  prepareHoldMs?: number
  /**
   * Where the processes that migrate are together no larger than this, copies of their states are kept while they are suspended, and
   * an abort puts those back. Larger ones are taken back by `code_change({down, Vsn}, …)`. Bytes. @default 64 MiB
   */
  snapshotBytes?: number
  /** `hard` kills the processes that still run (or hold funs of) code from before the present one. @default 'soft' */
  purge?: 'soft' | 'hard'
  /** After an abort: kill processes whose code_change did not return, so that their supervisors restart them. @default true */
  killStuck?: boolean
  clock?: Clock
  signal?: AbortSignal
}
