export type { User } from './request.ts'
export { type ApiServer, type ApiServerOptions, startApiServer } from './server.ts'
