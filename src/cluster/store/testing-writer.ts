/** Run as a process by store.test.ts: writes for ever and prints each id only after the store acknowledged it. */
import { Store } from './store.ts'

const [path, round] = process.argv.slice(2)
const store = Store.open({ path, encryptionKey: new Uint8Array(32) })
process.stdout.write('open\n')
for (let index = 0; ; index++) {
  const names = [`r${round}-${index}-a`, `r${round}-${index}-b`]
  await Promise.all(
    names.map((name) =>
      store.write('core/configmaps', `default/${name}`, () => ({
        put: {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name, namespace: 'default' },
          data: { filler: 'x'.repeat(300) },
        },
      })),
    ),
  )
  process.stdout.write(`${names.join('\n')}\n`)
}
