import { createServer } from 'node:net'

/*
 * The app behind the proxies: answers every request with the same 200 as cheaply as Node can, so that the proxies are what
 * is measured. Requests of a load generator have no body, so each empty line ends one.
 */
const body = 'hello from the app\n'
const answer = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nX-Powered-By: bench\r\n\r\n${body}`

createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  socket.on('data', (bytes) => {
    let count = 0
    for (let at = bytes.indexOf('\r\n\r\n'); at >= 0; at = bytes.indexOf('\r\n\r\n', at + 4)) count++
    if (count > 0) socket.write(count === 1 ? answer : answer.repeat(count), 'latin1')
  })
}).listen(Number(process.argv[2]), '127.0.0.1', () => process.stdout.write('listening\n'))
