import type { World } from './world.ts'

export interface Scenario {
  name: string
  play: (world: World) => Promise<void>
  /** Waits for minutes to pass: begun first, so that the others run beside it. */
  slow: boolean
}

const all: Scenario[] = []

/**
 * Given these objects and these events, what the world looks like and what it passes through: played on a real control plane
 * and on ours at once, frame by frame. What a frame expects must hold on both; whatever else is there is compared anyway.
 */
export function scenario(name: string, play: Scenario['play'], { slow = false } = {}): void {
  all.push({ name, play, slow })
}

export function scenarios(): readonly Scenario[] {
  return [...all.filter(({ slow }) => slow), ...all.filter(({ slow }) => !slow)]
}
