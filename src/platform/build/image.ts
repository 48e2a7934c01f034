import { arch } from 'node:os'
import { assembleImage, type BuiltLayer, buildLayer, type Layout } from '#image'
import type { LayerPlan } from './types.ts'

/** Layers that were packed in this process, by their key; spares listing, packing and hashing what did not change. */
export type LayerMemory = Map<string, BuiltLayer>

/** Packs the planned layers and puts the image together under the name `app`. */
export async function buildImage(
  layout: Layout,
  app: string,
  plans: readonly LayerPlan[],
  memory: LayerMemory,
  config: { cmd?: string[]; env?: Record<string, string> },
  signal?: AbortSignal,
): Promise<{ digest: string; layers: (BuiltLayer & { name: string })[]; written: number }> {
  const layers: (BuiltLayer & { name: string })[] = []
  for (const plan of plans) {
    const known = memory.get(plan.key)
    const layer =
      known && layout.has(known.digest, known.size)
        ? { ...known, reused: true, written: 0 }
        : await buildLayer(layout, plan.entries(), { signal })
    layers.push({ ...layer, name: plan.name })
  }
  memory.clear()
  for (const [index, plan] of plans.entries()) memory.set(plan.key, layers[index])
  const image = assembleImage(layout, {
    layers,
    config: { ...config, workingDir: '/app', labels: { 'cuddle.dev/app': app } },
    architecture: architectures[arch()] ?? arch(),
  })
  layout.tag(app, { mediaType: image.mediaType, digest: image.digest, size: image.size })
  return {
    digest: image.digest,
    layers,
    written: image.written + layers.reduce((sum, layer) => sum + layer.written, 0),
  }
}

/** Node's names of processors as GOARCH spells them, which OCI uses. */
const architectures: Record<string, string> = { x64: 'amd64', ia32: '386' }
