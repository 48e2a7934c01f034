import type { CompileInput } from './types.ts'

/** Whether the app's processes are nodes of one BEAM cluster. */
export function clustered(input: Pick<CompileInput, 'runtime' | 'spec'>): boolean {
  return input.runtime === 'beam' && input.spec.beam.cluster
}
