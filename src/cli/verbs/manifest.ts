import { platformManifest, toYaml } from '#platform'
import type { Command } from '../command.ts'
import { routerClass } from '../home.ts'

export default {
  summary: 'Prints the objects that the platform needs on a cluster, rights included.',
  describe: `What cuddle up --kubeconfig applies: a namespace, the custom resources, an IngressClass, and a ServiceAccount with the
rights of the platform. Who applies it beforehand can leave cuddle up to users who may do less.`,
  options: {
    metrics: {
      type: 'boolean',
      describe: "with the rights to serve the BEAM's signals there (cuddle up --metrics-host)",
    },
  },
  examples: ['cuddle manifest', 'cuddle manifest | kubectl apply --server-side -f -'],
  async run({ out, values }) {
    const items = platformManifest(routerClass, { metrics: values.metrics === true })
    if (out.json) out.data({ apiVersion: 'v1', kind: 'List', items })
    else out.print(toYaml(items).trimEnd())
    return 0
  },
} satisfies Command
