/** Run as a process by adoption.test.ts: a node agent that can be killed. Arguments: home, URL of the API server. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createKube, httpTransport } from '#kube'
import { startNodeAgent } from '../index.ts'
import { agentDefaults } from './cluster.ts'

const [home, server] = process.argv.slice(2)
const pki = (name: string) => readFileSync(join(home, 'pki', name), 'utf8')
const kube = createKube(
  httpTransport({ server, ca: pki('ca.crt'), cert: pki('admin.crt'), key: pki('admin.key'), namespace: 'default' }),
)
await startNodeAgent(agentDefaults(home, kube))
process.stdout.write('up\n')
