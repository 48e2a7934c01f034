export * as objects from './generated/types.ts'
export * from './resources.ts'
export * from './types.ts'
