import { isNotFound, type Kube, Namespace, type objects, Pod } from '#kube'
import { errorMessage } from '#lib'
import { type Axn, type Controller, controller, type Lister } from '#operator'
import { type DiscoveredResource, discover, setCondition } from '../shared/index.ts'

interface Contents {
  /** `pods. has 2 resource instances` … */
  remaining: string[]
  finalizers: Map<string, number>
  failures: string[]
  undiscovered: string[]
}

/**
 * Empties a Namespace that is being deleted, kind by kind as discovery lists them, and lets it go when nothing is left.
 * Pods go with their grace period and wake the Namespace as they leave; for anything else it looks again after a while.
 */
export function namespaceController(): Controller<any> {
  return controller(Namespace, {
    name: 'namespace-controller',
    watches: [{ type: Pod, map: ofLeavingPod }],
    filter: (namespace) => namespace.metadata.deletionTimestamp !== undefined,
  }).step('terminate', async (axn: Axn<any>) => {
    const namespace = axn.object as objects.Namespace
    if (!axn.deleting || !namespace.spec?.finalizers?.includes('kubernetes')) return axn
    const found = await empty(axn.kube, axn.name)
    const clean = found.remaining.length + found.failures.length + found.undiscovered.length === 0
    if (clean) return axn.run('finalize', (kube) => finalize(kube, axn.name))
    let conditions: readonly Record<string, any>[] = (namespace.status?.conditions ?? []) as any
    for (const condition of report(found)) conditions = setCondition(conditions, condition, axn.clock.now())
    return axn.status({ conditions }).requeueAfter(found.failures.length > 0 ? 500 : 2000)
  })
}

/** The last pods of a Namespace matter to it when they are gone, so only then is it woken. */
function ofLeavingPod(pod: objects.Pod, lister: Lister): { name: string }[] {
  const { name, namespace = '' } = pod.metadata
  if (lister.get(Namespace, namespace)?.metadata.deletionTimestamp === undefined) return []
  return lister.get(Pod, name!, namespace) ? [] : [{ name: namespace }]
}

async function empty(kube: Kube, namespace: string): Promise<Contents> {
  const { resources, failed } = await discover(kube)
  const contents: Contents = { remaining: [], finalizers: new Map(), failures: [], undiscovered: failed }
  const deletable = resources.filter(({ namespaced, verbs }) => namespaced && verbs.includes('list'))
  const isPods = ({ group, plural }: DiscoveredResource) => group === '' && plural === 'pods'
  const emptyAll = (kinds: readonly DiscoveredResource[]) =>
    Promise.all(
      kinds.map(async (resource) => {
        try {
          await emptyKind(kube, namespace, resource, contents)
        } catch (error) {
          if (!isNotFound(error)) contents.failures.push(`${nameOf(resource)}: ${errorMessage(error)}`)
        }
      }),
    )
  await emptyAll(deletable.filter(isPods))
  // What pods still live by stays until they are gone (KEP-5080).
  if (contents.remaining.length + contents.failures.length > 0) return contents
  await emptyAll(deletable.filter((resource) => !isPods(resource)))
  contents.remaining.sort()
  return contents
}

async function emptyKind(kube: Kube, namespace: string, resource: DiscoveredResource, contents: Contents) {
  if (resource.verbs.includes('deletecollection')) {
    await kube.deleteCollection(resource, { namespace, propagationPolicy: 'Background' })
  } else if (resource.verbs.includes('delete')) {
    const { items } = await kube.listAll(resource, { namespace })
    await Promise.all(items.map(({ metadata }) => kube.delete(resource, metadata.name!, namespace)))
  } else return
  const { items } = await kube.listAll(resource, { namespace })
  if (items.length === 0) return
  contents.remaining.push(`${nameOf(resource)} has ${items.length} resource instances`)
  for (const { metadata } of items) {
    for (const finalizer of metadata.finalizers ?? [])
      contents.finalizers.set(finalizer, (contents.finalizers.get(finalizer) ?? 0) + 1)
  }
}

function nameOf({ plural, group }: DiscoveredResource): string {
  return `${plural}.${group}`
}

async function finalize(kube: Kube, name: string): Promise<void> {
  try {
    const live = await kube.get(Namespace, name)
    const spec = { ...live.spec, finalizers: live.spec?.finalizers?.filter((each: string) => each !== 'kubernetes') }
    await kube.request('PUT', `/api/v1/namespaces/${name}/finalize`, {
      body: { ...live, apiVersion: 'v1', kind: 'Namespace', spec },
    })
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

/** The five conditions of upstream's namespaced resources deleter. */
function report({ remaining, finalizers, failures, undiscovered }: Contents) {
  const condition = (type: string, bad: string | undefined, badReason: string, reason: string, message: string) =>
    bad === undefined
      ? { type, status: 'False' as const, reason, message }
      : { type, status: 'True' as const, reason: badReason, message: bad }
  const text = (parts: string[], start: string) => (parts.length > 0 ? start + parts.join(', ') : undefined)
  const held = [...finalizers].map(([name, count]) => `${name} in ${count} resource instances`).sort()
  return [
    condition(
      'NamespaceDeletionDiscoveryFailure',
      text(undiscovered, 'Discovery failed for some groups: '),
      'DiscoveryFailed',
      'ResourcesDiscovered',
      'All resources successfully discovered',
    ),
    condition(
      'NamespaceDeletionGroupVersionParsingFailure',
      undefined,
      'GroupVersionParsingFailed',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ),
    condition(
      'NamespaceDeletionContentFailure',
      text(failures, 'Failed to delete all resource types: '),
      'ContentDeletionFailed',
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ),
    condition(
      'NamespaceContentRemaining',
      text(remaining, 'Some resources are remaining: '),
      'SomeResourcesRemain',
      'ContentRemoved',
      'All content successfully removed',
    ),
    condition(
      'NamespaceFinalizersRemaining',
      text(held, 'Some content in the namespace has finalizers remaining: '),
      'SomeFinalizersRemain',
      'ContentHasNoFinalizers',
      'All content-preserving finalizers finished',
    ),
  ]
}
