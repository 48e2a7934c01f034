export { type CommitFacts, objectFolders, parseCommit, parseTree, readLoose, type TreeItem } from './loose.ts'
export { isAppName } from './names.ts'
export type { Push, PushedRef } from './push.ts'
export { createGitServer, type GitServer, type GitServerOptions } from './server.ts'
