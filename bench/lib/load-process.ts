import { startLoad } from '../../scripts/demo/load.ts'

/* Requests in a process of its own: one that starts git beside them would count its own pauses as theirs. */
const [port, host, path, clients] = process.argv.slice(2)
const load = startLoad({ port: Number(port), host, path, clients: Number(clients) })
process.once('message', async () => {
  const result = await load.stop()
  process.send!(result, () => process.exit(0))
})
process.on('disconnect', () => process.exit(1))
