import { listTree } from '#image'
import type { BuildContext } from './context.ts'
import { plan } from './release-layers.ts'
import type { Built } from './types.ts'

/** Nothing is built: the source is the image, and the Procfile says what runs. */
export async function buildProcfile({ workspace }: BuildContext): Promise<Built> {
  const listed = listTree(workspace.src, { prefix: 'app', skip: (path) => path === '.git' })
  return { runtime: 'generic', processes: {}, layers: plan('app', listed), mode: 'cold' }
}
