export type { ConsoleTerminal, Line } from './device.ts'
export { type BeamConsole, type Completion, type ConsoleOptions, openConsole } from './open.ts'
