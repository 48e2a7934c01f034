import type { PlatformServer, PlatformServerOptions } from './server.ts'

export type { Completion, ConsoleTerminal, Line, TraceCounts, TraceEvent } from '#beam'
export { openLayout } from '#image'
export { renderDiff, toYaml } from '#manifests'
export { platformToken } from './access.ts'
export { applyAll } from './apply.ts'
export { createApp, destroyApp, listApps, processesOf, readScale, restartApp, scaleApp } from './apps.ts'
export { type Observation, type Observer, observe, type Section } from './beam/observe.ts'
export { rotateCookie } from './beam/rotation.ts'
export { evaluateOn } from './beam/rpc.ts'
export { listNodes } from './beam/session.ts'
export { consoleOn, type OpenConsole } from './beam/shell.ts'
export { traceOn } from './beam/tracing.ts'
export { type NodeUsage, openUsage, type UsageRow } from './beam/usage.ts'
export { type Builder, createBuilder, type Delivery } from './build/index.ts'
export { appUrl, type Context, readSettings, type Settings, systemNamespace } from './context.ts'
export { platformControllers } from './controllers.ts'
export { failureLines } from './diagnose.ts'
export { expectLive, followRelease, servingRelease } from './follow.ts'
export { Ahead } from './hot-release/ahead.ts'
export { hotLines } from './hot-release/lines.ts'
export { keepHouse } from './housekeeping.ts'
export {
  hasRegistryAuth,
  installPlatform,
  installWithAccess,
  issueToken,
  keepToken,
  leaseName,
  openDelivery,
  otherPlatform,
  platformManifest,
  setRegistryAuth,
  writeToken,
} from './install/index.ts'
export { App, type AppObject, Build, type BuildObject, Release, type ReleaseObject } from './kinds.ts'
export { appLogs, type LogLine } from './logs.ts'
export { exportObjects, planApp } from './plan.ts'
export { listProcesses, type ProcessRow } from './processes.ts'
export { currentRelease, getApp, getRelease, listReleases, releaseConfig } from './releases.ts'
export { readSizes, resizeProcess } from './resize.ts'
export { rollback } from './rollback.ts'
export { type RunStreams, runOnce } from './run.ts'
export type { PlatformServer } from './server.ts'
export { setConfig } from './set-config.ts'
export { checkMetricsFree, SignalStore, startSignalServer } from './signals/index.ts'
export { startRelease } from './start-release.ts'
export { explainWait } from './waiting.ts'

/** Git over HTTP and folder uploads; loaded when it is started, for commands do without. */
export async function startPlatformServer(options: PlatformServerOptions): Promise<PlatformServer> {
  const server = await import('./server.ts')
  return server.startPlatformServer(options)
}
