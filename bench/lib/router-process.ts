import { silentLogger, systemClock } from '#lib'
import { startRouter } from '../../src/cluster/network/index.ts'

/* Our router as a process of its own, with everything that it does in a cluster: `router-process.ts PORT BACKEND…` */
const [port, ...backends] = process.argv.slice(2).map(Number)
const router = await startRouter({ port, host: '127.0.0.1', clock: systemClock, log: silentLogger })
router.update({
  hosts: new Map([
    ['shop.localhost', { paths: [{ path: '/', pathType: 'Prefix', service: 'shop/web:80' }] }],
    ['blog.localhost', { paths: [{ path: '/', pathType: 'Prefix', service: 'blog/web:80' }] }],
  ]),
  services: new Map([
    [
      'shop/web:80',
      {
        endpoints: backends.map((backend) => ({
          address: '127.0.0.1',
          port: backend,
          ready: true,
          serving: true,
          terminating: false,
        })),
      },
    ],
    ['blog/web:80', { endpoints: [] }],
  ]),
})
process.stdout.write('listening\n')
