export { CompactedError, StoreWriteError } from './errors.ts'
export { Stored, type StoreEvent } from './record.ts'
export { type Change, Store, type StoreOptions, type Written } from './store.ts'
