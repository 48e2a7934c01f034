import type { Client } from './client.ts'

export interface Case {
  name: string
  talk: (client: Client) => Promise<void>
  /** Needs kube-controller-manager, or our controllers. */
  controllers: boolean
}

const all: Case[] = []

/**
 * One conversation, in a namespace of its own, with a server that is the real one or ours: it must not matter which. What is
 * asserted must hold on both; whatever else they say is compared anyway.
 */
export function contract(name: string, talk: Case['talk'], options: { controllers?: boolean } = {}): void {
  all.push({ name, talk, controllers: options.controllers ?? false })
}

export function cases(): readonly Case[] {
  return all
}
