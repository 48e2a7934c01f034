import type { AppSpec, Size } from '#spec'
import type { ReleaseSpec } from './kinds.ts'

/** What one pod of a process may use. */
export interface ProcessSize extends Size {
  /** Set with `cuddle ps:resize`; otherwise it is that of the spec. */
  byHand: boolean
}

/** A spec with the sizes that were set by hand in place of its own. Pure. */
export function withSizes(spec: AppSpec, sizes: Readonly<Record<string, Size>> = {}): AppSpec {
  const processes = Object.entries(spec.processes).map(([name, process]) => [
    name,
    Object.hasOwn(sizes, name) ? { ...process, size: sizes[name] } : process,
  ])
  return { ...spec, processes: Object.fromEntries(processes) }
}

/** The size of each process of a release, whoever set it. */
export function sizesOf({ spec, sizes }: ReleaseSpec): Record<string, ProcessSize> {
  const { processes } = withSizes(spec as AppSpec, sizes)
  return Object.fromEntries(
    Object.entries(processes).map(([name, { size }]) => [name, { ...size, byHand: Object.hasOwn(sizes ?? {}, name) }]),
  )
}
