import { createServer } from 'node:http'

const version = 'v1'
const { PORT = '4000', HOST = '0.0.0.0', HOSTNAME = 'this machine' } = process.env

const pages = {
  '/': () => `Hello from ${version}, pid ${process.pid} on ${HOSTNAME}\n`,
  '/healthz': () => 'ok\n',
  '/halt': () => process.exit(1),
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost')
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  if (pathname === '/slow') return slow(response)
  const page = pages[pathname]
  response.writeHead(page ? 200 : 404).end(page ? page() : 'not found\n')
})

/** A line per second: what a rollout must not cut off. */
function slow(response, step = 1) {
  response.write(`${version}: step ${step} of 5\n`)
  if (step === 5) response.end()
  else setTimeout(slow, 1000, response, step + 1)
}

server.listen(Number(PORT), HOST, () => console.log(`hello ${version} listens on ${HOST}:${PORT}`))

// Take no new connections, let open requests finish; the process ends when nothing is left to do.
process.on('SIGTERM', () => {
  server.close()
  setInterval(() => server.closeIdleConnections(), 50).unref()
})
