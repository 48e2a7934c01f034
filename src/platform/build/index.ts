export { createBuilder } from './builder.ts'
export type { Builder, BuilderOptions, BuildKind, BuildRequest, BuildResult, BuildSource } from './types.ts'
