// The control process: the Kubernetes API with its controllers and scheduler, and the platform on top of it.
import { join } from 'node:path'
import { ensurePki, openStore, startApiServer, writeKubeconfig } from '#cluster'
import { systemClock } from '#lib'
import { daemon } from './daemon.ts'

await daemon('control', async (context) => {
  if (context.config.cluster) {
    const { startOnCluster } = await import('./control-external.ts')
    return startOnCluster(context)
  }
  const { home, config, log, signal } = context
  const pki = await ensurePki(home)
  const store = await openStore({
    path: join(home, 'store', 'state.db'),
    encryptionKey: join(home, 'pki', 'encryption.key'),
    log,
  })
  const api = await startApiServer({ pki, store, port: config.ports.api, clock: systemClock, log, signal })
  writeKubeconfig(home, pki, api.url)
  // Who waits for the API is answered first. Then what works on it is loaded, in parts, for requests wait while one loads.
  await systemClock.sleep(10)
  await import('#operator')
  await systemClock.sleep(1)
  await import('#platform')
  await systemClock.sleep(1)
  const { startOnOwnCluster } = await import('./control-embedded.ts')
  const stop = await startOnOwnCluster(context, api.transport(), pki.ca.cert)
  return async () => {
    await stop()
    await api.close()
    await store.close()
  }
})
