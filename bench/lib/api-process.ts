// The embedded API server in a process of its own, for benches: `api-process.ts HOME [controllers] [scheduler]`. Prints its port when
// it listens, and ends with its standard input.
import { join } from 'node:path'
import { ensurePki, openStore, startApiServer, startClusterControllers } from '#cluster'
import { createKube } from '#kube'
import { silentLogger, systemClock } from '#lib'
import { startScheduler } from '../../src/cluster/scheduler/index.ts'

const [home, ...parts] = process.argv.slice(2)
const stop = new AbortController()
const pki = await ensurePki(home)
const store = await openStore({ path: join(home, 'store', 'state.db'), encryptionKey: pki.encryptionKey })
const api = await startApiServer({ pki, store, port: 0 })
const options = { clock: systemClock, log: silentLogger, signal: stop.signal }
const kube = createKube(api.transport())
// What schedules is among the controllers.
if (parts.includes('controllers'))
  await startClusterControllers({ kube, caCertificate: pki.ca.cert, ...options }).then(({ ready }) => ready)
else if (parts.includes('scheduler')) startScheduler({ kube, ...options })
console.log(api.port)
process.stdin.resume().on('end', async () => {
  stop.abort()
  kube.close()
  await api.close()
  await store.close()
  process.exit(0)
})
