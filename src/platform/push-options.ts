import { CuddleError } from '#lib'
import type { AppSpec } from '#spec'
import type { ReleaseSpec } from './kinds.ts'

export type RolloutChoice = NonNullable<ReleaseSpec['rollout']>

const choices: Record<string, RolloutChoice> = {
  hot: { mode: 'hot' },
  'hot-purge': { mode: 'hot', purge: true },
  rolling: { mode: 'rolling' },
}

/** What `git push -o …` says about the way to go live. @throws CuddleError `usage` for a word that means nothing */
export function rolloutChoice(options: readonly string[]): RolloutChoice | undefined {
  let choice: RolloutChoice | undefined
  for (const option of options) {
    const meant = Object.hasOwn(choices, option) ? choices[option] : undefined
    if (!meant || (choice?.mode && choice.mode !== meant.mode)) {
      throw new CuddleError(
        'usage',
        `git push -o ${option} ${meant ? 'contradicts the other' : 'means nothing here'}`,
        {
          hint: `git push -o ${Object.keys(choices).join(', -o ')}`,
        },
      )
    }
    choice = { ...choice, ...meant }
  }
  return choice
}

/**
 * The spec with every process hot that can be, for `git push -o hot`: those that roll and have no storage.
 * @returns a spec of its own, and the names of the processes that became hot
 */
export function withHot(spec: AppSpec): { spec: AppSpec; became: string[] } {
  const became = Object.entries(spec.processes).flatMap(([name, { strategy }]) =>
    strategy === 'rolling' ? [name] : [],
  )
  const processes = Object.fromEntries(
    Object.entries(spec.processes).map(([name, process]) => [
      name,
      became.includes(name) ? { ...process, strategy: 'hot' as const } : process,
    ]),
  )
  return { spec: { ...spec, processes }, became }
}
