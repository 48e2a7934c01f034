export { FakeClock } from './fake-clock.ts'
export { isRunning } from './processes.ts'
export { temporaryDirectory } from './temporary.ts'
export { until } from './until.ts'
