export { installPlatform, installWithAccess } from './install.ts'
export { accountName, platformManifest } from './manifest.ts'
export { hasRegistryAuth, openDelivery, setRegistryAuth } from './registry.ts'
export { issueToken, keepToken, writeToken } from './token.ts'
