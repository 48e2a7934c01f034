// The embedded API server in a process of its own, for benches: `api-process.ts HOME [controllers]`. Prints its port when it listens,
// starts the scheduler at a line on its standard input, and ends with that.
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
// The scheduler is among them.
if (parts.includes('controllers'))
  await startClusterControllers({ kube, caCertificate: pki.ca.cert, ...options }).then(({ ready }) => ready)
console.log(api.port)
process.stdin.once('data', () => startScheduler({ kube, ...options }))
process.stdin.on('end', async () => {
  stop.abort()
  kube.close()
  await api.close()
  await store.close()
  process.exit(0)
})
