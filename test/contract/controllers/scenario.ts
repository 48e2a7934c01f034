import type { World } from './world.ts'

export interface Scenario {
  name: string
  play: (world: World) => Promise<void>
}

const all: Scenario[] = []

/**
 * Given these objects and these events, what the world looks like and what it passes through: played on a real control plane
 * and on ours at once, frame by frame. What a frame expects must hold on both; whatever else is there is compared anyway.
 */
export function scenario(name: string, play: Scenario['play']): void {
  all.push({ name, play })
}

export function scenarios(): readonly Scenario[] {
  return all
}
