export { isAppName } from './names.ts'
export type { Push, PushedRef } from './push.ts'
export { createGitServer, type GitServer, type GitServerOptions } from './server.ts'
