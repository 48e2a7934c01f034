// relay.ts FROM=TO… (addresses and ports): lets the node, which has a network of its own, reach what listens on loopback here. Ports
// of FROM are on the machine's end of the link to the node, and only the node is let in.
import { connect, createServer } from 'node:net'

for (const pair of process.argv.slice(2)) {
  const [from, to] = pair.split('=').map((text) => {
    const { hostname, port } = new URL(`tcp://${text}`)
    return { host: hostname, port: Number(port) }
  })
  const network = from.host.replace(/\d+$/, '')
  const server = createServer({ allowHalfOpen: true }, (inside) => {
    if (!inside.remoteAddress?.startsWith(network)) {
      inside.destroy()
      return
    }
    const outside = connect({ ...to, allowHalfOpen: true })
    for (const socket of [inside, outside]) socket.setNoDelay(true)
    inside.pipe(outside)
    outside.pipe(inside)
    inside.on('error', () => outside.destroy())
    outside.on('error', () => inside.destroy())
    inside.on('close', () => outside.destroy())
    outside.on('close', () => inside.destroy())
  })
  server.listen(from.port, from.host)
}
