// The embedded API server alone, for bench/api.ts: prints its port when it listens, and ends with its standard input.
import { join } from 'node:path'
import { ensurePki, openStore, startApiServer } from '#cluster'

const home = process.argv[2]
const pki = await ensurePki(home)
const store = await openStore({ path: join(home, 'store', 'state.db'), encryptionKey: pki.encryptionKey })
const api = await startApiServer({ pki, store, port: 0 })
console.log(api.port)
process.stdin.resume().on('end', async () => {
  await api.close()
  await store.close()
  process.exit(0)
})
