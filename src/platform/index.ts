export { openLayout } from '#image'
export { renderDiff, toYaml } from '#manifests'
export { platformToken } from './access.ts'
export { appController, applyAll } from './app-controller.ts'
export { createApp, destroyApp, listApps, processesOf, readScale, restartApp, scaleApp } from './apps.ts'
export { type Builder, createBuilder } from './build/index.ts'
export { appUrl, type Context, readSettings, type Settings, systemNamespace } from './context.ts'
export { failureLines } from './diagnose.ts'
export { expectLive, followRelease, servingRelease } from './follow.ts'
export { App, type AppObject, Build, type BuildObject, Release, type ReleaseObject } from './kinds.ts'
export { appLogs, type LogLine } from './logs.ts'
export { exportObjects, planApp } from './plan.ts'
export { listProcesses, type ProcessRow } from './processes.ts'
export {
  currentRelease,
  getApp,
  getRelease,
  listReleases,
  releaseConfig,
  rollback,
  setConfig,
  startRelease,
} from './releases.ts'
export { runOnce } from './run.ts'
export { errorLines, type PlatformServer, startPlatformServer } from './server.ts'
export { installPlatform } from './start.ts'
