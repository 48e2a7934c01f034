/** Run as a process by kill.test.ts: an API server on a home that is there already; prints its port. */
import { join } from 'node:path'
import { ensurePki } from '../pki/index.ts'
import { Store } from '../store/index.ts'
import { startApiServer } from './server.ts'

const [home] = process.argv.slice(2)
const pki = await ensurePki(home)
const store = Store.open({ path: join(home, 'store/state.db'), encryptionKey: pki.encryptionKey })
const server = await startApiServer({ pki, store, port: 0 })
process.stdout.write(`${server.port}\n`)
