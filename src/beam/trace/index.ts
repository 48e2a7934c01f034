export { parseTarget, type TraceTarget } from './target.ts'
export { type TraceCounts, type TraceEnd, type TraceEvent, type TraceOptions, traceCalls } from './trace.ts'
