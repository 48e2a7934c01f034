import { accessSync, constants, statSync } from 'node:fs'
import { assembleImage, buildLayer, openLayout, openRegistry } from '#image'

const source = '/bin/busybox'
const applets = ['sh', 'cat', 'echo', 'env', 'hostname', 'httpd', 'id', 'ls', 'mkdir', 'sleep', 'stty', 'touch', 'wget']

/** Why there is no image to be made of busybox; undefined when there is. It must be the static one: there is no libc in the image. */
export function whyNoBusybox(): string | undefined {
  try {
    accessSync(source, constants.X_OK)
  } catch {
    return 'busybox-static is not installed'
  }
  return statSync(source).size > 1_000_000 ? undefined : `${source} is not the static one: install busybox-static`
}

/**
 * Assembles an image of busybox with a shell and an HTTP server, for whoever runs it as user 65534, and pushes it.
 * @param registry `host:port`
 * @returns its name for pods, by digest
 */
export async function pushBusybox(directory: string, registry: string): Promise<string> {
  const layout = openLayout(directory)
  const layer = await buildLayer(layout, [
    { path: 'bin', kind: 'directory' },
    { path: 'tmp', kind: 'directory' },
    { path: 'bin/busybox', kind: 'file', source, size: statSync(source).size, executable: true },
    ...applets.map((name) => ({ path: `bin/${name}`, kind: 'symlink' as const, target: 'busybox' })),
  ])
  const image = assembleImage(layout, {
    layers: [layer],
    config: { entrypoint: ['/bin/sh'], env: { PATH: '/bin' }, user: '65534' },
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
  })
  await openRegistry({ url: `http://${registry}` }).push(layout, image.digest, 'busybox', 'test')
  return `${registry}/busybox@${image.digest}`
}
