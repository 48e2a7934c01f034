import type { ModuleChange, ReleaseDiff, ReleaseModule } from './release-diff.ts'

export type HotDecision =
  | { hot: true; notes: readonly string[] }
  /** Every reason, in words for the developer. */
  | { hot: false; reasons: readonly string[] }

/** What is compared besides the files of the releases. */
export interface Surroundings {
  /** `down`: back to an older release; the code_change is that of the newer. @default 'up' */
  direction?: 'up' | 'down'
  /** Names of variables of the app's configuration that differ. */
  environment?: readonly string[]
  /** What of the app's spec differs and needs new pods: processes, volumes, resources … in words. */
  spec?: readonly string[]
}

const shown = (names: readonly string[]) =>
  names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`
const readable = (module: string) => module.replace(/^Elixir\./, '')

/**
 * Whether a release can be loaded into nodes that run another, with every reason against. Conservative: what cannot be
 * known from the files counts as unsafe, but for the shape of records, which a stripped release does not tell.
 */
export function decideHot(diff: ReleaseDiff, around: Surroundings = {}): HotDecision {
  const { direction = 'up' } = around
  const reasons = [
    ...surroundings(around),
    ...toolchain(diff),
    ...diff.changed.flatMap(({ before, after }) => moduleReasons(before, after, direction)),
  ]
  for (const module of diff.added) {
    if (module.loadsNif) reasons.push(`${readable(module.module)} is new and loads a NIF`)
    else if (module.onLoad) reasons.push(`${readable(module.module)} is new and has an on_load function`)
  }
  for (const [removed, callers] of diff.dangling) {
    reasons.push(`${readable(removed)} was removed, but is called by ${shown(callers.map(readable))}`)
  }
  reasons.push(...shapeReasons(diff, direction))
  if (reasons.length > 0) return { hot: false, reasons }
  const notes: string[] = []
  const { changed, added, removed } = diff
  if (changed.length + added.length + removed.length === 0) notes.push('no module differs')
  const silent = changed.filter((change) => isServer(change.after) && migrating(change, direction) !== 'own')
  if (silent.length > 0) {
    notes.push(
      `state is kept as it is in ${shown(silent.map(({ name }) => readable(name)))}: no code_change of its own`,
    )
  }
  const supervisors = changed.filter(({ before, after }) => isSupervisor(before) || isSupervisor(after))
  if (supervisors.length > 0)
    notes.push(`children of ${shown(supervisors.map(({ name }) => readable(name)))} are compared in the nodes`)
  return { hot: true, notes }
}

function surroundings({ environment = [], spec = [] }: Surroundings): string[] {
  const reasons = spec.map((what) => `${what} changed, which needs new pods`)
  if (environment.length > 0) {
    reasons.push(`the configuration changed (${shown(environment)}): a node reads its environment only when it starts`)
  }
  return reasons
}

const languages = new Set(['elixir', 'kernel', 'stdlib'])

function toolchain(diff: ReleaseDiff): string[] {
  const reasons: string[] = []
  if (diff.erts) reasons.push(`ERTS changed from ${diff.erts.before ?? 'none'} to ${diff.erts.after ?? 'none'}`)
  const touched = new Set([
    ...diff.changed.map(({ after }) => after.application),
    ...diff.added.map((m) => m.application),
  ])
  for (const [name, { before, after }] of diff.applications) {
    if (before === undefined) reasons.push(`the application ${name} ${after} is new`)
    else if (after === undefined) reasons.push(`the application ${name} ${before} is gone`)
    else if (languages.has(name)) reasons.push(`${name} changed from ${before} to ${after}`)
    else if (!touched.has(name))
      reasons.push(`the application ${name} changed from ${before} to ${after} without a module`)
  }
  for (const name of diff.specs) reasons.push(`${name}.app changed in more than its modules and version`)
  for (const path of diff.native) reasons.push(`the native library ${path} changed`)
  if (diff.assets.length > 0)
    reasons.push(
      `files besides modules changed (${shown(diff.assets)}): a pod sees those of the image that it started with`,
    )
  for (const path of diff.config) reasons.push(`${path} changed: a node reads it only when it starts`)
  return reasons
}

/** The code_change that runs: it is always the newer code that knows both shapes. */
const migrating = ({ before, after }: Pick<ModuleChange, 'before' | 'after'>, direction: 'up' | 'down') =>
  direction === 'up' ? after.codeChange : before.codeChange

function moduleReasons(before: ReleaseModule, after: ReleaseModule, direction: 'up' | 'down'): string[] {
  const name = readable(after.module)
  const has = (behaviour: string) => before.behaviours.includes(behaviour) || after.behaviours.includes(behaviour)
  const reasons: string[] = []
  if (before.loadsNif || after.loadsNif) reasons.push(`${name} changed and loads a NIF`)
  else if (before.onLoad || after.onLoad) reasons.push(`${name} changed and has an on_load function`)
  if (has('application') || has('Elixir.Application')) {
    reasons.push(
      `the supervision tree may differ: the application module ${name} changed, and nothing runs its start again`,
    )
  } else if (has('Elixir.DynamicSupervisor')) {
    reasons.push(`the DynamicSupervisor ${name} changed: what it started cannot be told apart`)
  } else if (isSupervisor(before) || isSupervisor(after)) {
    // Its init/1 runs again, twice, and must do nothing but say what the children are.
    const acts = [...before.calls, ...after.calls].find((module) => effects.has(module))
    if (acts)
      reasons.push(`the supervisor ${name} changed and calls ${acts}: its init/1 may do what cannot be done twice`)
  }
  if (has('supervisor_bridge')) reasons.push(`${name} is a supervisor_bridge, which cannot be upgraded`)
  if (has('gen_event')) reasons.push(`${name} changed and handles events: its state inside the manager is not migrated`)
  const lost = before.behaviours.filter((behaviour) => !after.behaviours.includes(behaviour) && servers.has(behaviour))
  if (lost.length > 0) reasons.push(`${name} is no ${lost.join(', ')} any more, but its processes are`)
  if (direction === 'up' && before.codeChange === 'own' && after.codeChange === undefined) {
    reasons.push(`${name} has lost its code_change`)
  }
  return reasons
}

/** Whose modules and arguments OTP's supervisor keeps: that of Elixir is OTP's. */
const isSupervisor = ({ behaviours }: ReleaseModule) =>
  behaviours.includes('supervisor') || behaviours.includes('Elixir.Supervisor')
/** Modules that nobody calls in an init/1 that may run again. */
const effects = new Set(['dets', 'ets', 'gen_tcp', 'gen_udp', 'mnesia', 'persistent_term', 'ssl'])
const servers = new Set(['gen_server', 'gen_statem', 'Elixir.GenServer', 'Elixir.GenStage'])
const isServer = (module: ReleaseModule) => module.behaviours.some((behaviour) => servers.has(behaviour))

/** A struct of another shape lives in any process's state, so some server among the changed modules must know what to do. */
function shapeReasons(diff: ReleaseDiff, direction: 'up' | 'down'): string[] {
  if (diff.changed.some((change) => migrating(change, direction) === 'own')) return []
  return diff.changed.flatMap(({ name, before, after }) => {
    const old = before.structKeys
    const now = after.structKeys
    if (!old || (now && old.join() === now.join())) return []
    const came = (now ?? []).filter((key) => !old.includes(key))
    const went = old.filter((key) => !now?.includes(key))
    const what = [...came.map((key) => `+${key}`), ...went.map((key) => `-${key}`)]
    return [
      `the struct ${readable(name)} changed (${shown(what)}), and no changed module has a code_change for states that hold it`,
    ]
  })
}
