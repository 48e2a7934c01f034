export { type NodeAgent, type NodeAgentOptions, type PodUsage, startNodeAgent } from './agent.ts'
