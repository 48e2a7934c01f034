export { childAnnotation } from './axn.ts'
export { controller, reconcileOnce } from './controller.ts'
export { testAxn } from './testing.ts'
export * from './types.ts'
