/*
 * npm run bench -- start: from starting the programs until the first authenticated request is answered, with keys and state there
 * already: the embedded API server against etcd and kube-apiserver.
 */
import { interleaved, report, type Skipped } from './lib/report.ts'
import { removeHome, type Server, startOurs, startTheirs, temporaryHome } from './lib/servers.ts'

const homes = [temporaryHome(), temporaryHome()]
const once = async (start: () => Promise<Server | Skipped>) => {
  const began = performance.now()
  const server = await start()
  if (!('stop' in server)) throw new Error(server.reason)
  await server.kube.request('GET', '/api/v1/namespaces/default')
  const took = performance.now() - began
  await server.stop()
  return took
}
try {
  const first = await startTheirs(homes[1])
  if ('stop' in first) {
    await first.stop()
    const times = await interleaved(
      { ours: () => once(() => startOurs(homes[0])), theirs: () => once(() => startTheirs(homes[1])) },
      5,
    )
    const baseline = 'etcd + kube-apiserver 1.36'
    report('start', [{ what: 'first answer', unit: 'ms', baseline, better: 'less', goal: 0.1, ...times }])
  } else report('start', [], { skipped: [first] })
} finally {
  for (const home of homes) removeHome(home)
}
