import { createServer } from 'node:net'

/* A bare TCP server that sends back what it gets, in a process of its own: the floor for every client in Node. */
const server = createServer((socket) => {
  socket.setNoDelay(true)
  socket.on('error', () => {})
  socket.on('data', (chunk) => socket.write(chunk))
}).listen(0, '127.0.0.1', () => process.send!((server.address() as { port: number }).port))
process.on('disconnect', () => process.exit(0))
