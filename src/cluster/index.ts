export { type ApiServer, type ApiServerOptions, startApiServer, type User } from './api/index.ts'
export { ensurePki, type Pki, writeKubeconfig } from './pki/index.ts'
export { Store, type StoreOptions } from './store/index.ts'
