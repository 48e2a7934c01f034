import type { KnownDifference } from './known.ts'

/** Only how a refusal is put: its code and reason are the same. */
const words = / body\.(message|details(\..*)?)$/
/** Another refusal, or none. */
const refusal = (request: string) => new RegExp(`^${request} (code|headers|body)`)

const goTypes = 'the message prints a Go struct or names a Go type'
const parser = "the message is that of JavaScript's parser instead of Go's"
const views = "checked less: a subresource's body that nobody sends wrong"

/** Where the embedded API knowingly answers otherwise than kube-apiserver. One that no case shows any more is a failure. */
export const differences: readonly KnownDifference[] = [
  // Not there.
  {
    in: 'the groups and their order',
    at: /body$/,
    why: 'resource.k8s.io (devices) and flowcontrol.apiserver.k8s.io are not served',
  },
  {
    in: /^(the resources of the core group|aggregated discovery of core and apps)$/,
    at: /^GET \/api(\/v1)? body/,
    why: 'componentstatuses (deprecated) and the proxy subresources are not served',
  },
  {
    in: 'OpenAPI v3 is indexed by group and version, and tells what a client may send',
    at: /body.*(description|allOf|\$ref)$/,
    why: 'built-in schemas have no prose, so that they fit into memory many times over: kubectl explain shows fields without it',
  },
  {
    in: 'events of a watch as tables',
    at: /columnDefinitions\[\d\]\.description$/,
    why: 'columns of tables have no prose; kubectl does not show it',
  },
  {
    in: 'aggregated discovery of core and apps',
    at: /^GET \/apis body|headers\.content-type$/,
    why: '304 has a content type; responseKind is written out where kube-apiserver leaves group and version empty; subresources come in another order',
  },
  {
    in: 'Pod Security: labels of a namespace',
    at: /headers\.warning$/,
    why: 'pods that are there already are not checked when a namespace becomes stricter: a warning is missing',
  },
  {
    in: 'names',
    at: /^POST \S+\/pods headers\.warning$/,
    why: 'no warning about pod names that are no DNS label',
  },
  {
    in: 'defaults of the usual objects',
    at: /persistentvolumeclaims\S* body\.metadata\.finalizers$/,
    why: 'claims are not protected while a pod uses them',
  },
  {
    in: 'defaults of the usual objects',
    at: /daemonsets/,
    why: 'the annotation deprecated.daemonset.template.generation is not kept',
  },
  // Decided otherwise.
  {
    in: /ingresses as a table|the generation counts changes of the spec/,
    at: /(cells\[3\]|loadBalancer\.ingress|managedFields)$/,
    why: 'the embedded router is an ingress controller and writes its address; the bare control plane has none',
  },
  {
    in: 'a definition as it is answered',
    at: /metadata\.(finalizers|managedFields)$/,
    why: 'definitions are established by the write that creates them and always carry the cleanup finalizer; kube-apiserver has controllers for both',
  },
  {
    in: 'status of built-in kinds',
    at: /(lastProbeTime|lastTransitionTime|ipMode)$/,
    why: 'times that are not set are absent instead of null; ipMode has no default',
  },
  {
    in: 'replacing creates a few kinds',
    at: /(rules|limits|managedFields)$/,
    why: 'empty lists are absent or empty instead of null',
  },
  {
    in: 'what a client may not set is set by the server',
    at: /generation$/,
    why: 'kinds without generations drop one that is sent',
  },
  {
    in: /^(deletion options in a query and as YAML|a pod without a node goes at once, one with a node gracefully)$/,
    at: /body\[\d\]$/,
    why: 'a pod that goes at once is answered as it was, without deletionGracePeriodSeconds 0',
  },
  {
    in: 'duplicate fields',
    at: /(data\.a|f:a)$/,
    why: 'of an object that stands twice the last one holds; Go merges the two',
  },
  {
    in: 'dropping a value with a default brings the default back',
    at: /managedFields$/,
    why: 'defaults that come back after an apply belong to nobody; kube-apiserver notes an Update of the applier',
  },
  {
    in: 'the finalize subresource of a namespace',
    at: /managedFields$/,
    why: 'finalize notes no owner',
  },
  {
    in: 'reviews of who one is and what one may',
    at: /(creationTimestamp|spec|extra|managedFields)$/,
    why: 'reviews have no owners, times or credential ids; nothing of them is stored',
  },
  {
    in: 'scale of a definition',
    at: refusal('GET \\S+/scale'),
    why: 'a scale without replicas in its object has 0 instead of being an error',
  },
  // Refused by other codes, or not at all.
  {
    in: /^(scale of a Deployment|applying scale)$/,
    at: /scale|^(step|assertion)|deployments\/d body\[/,
    why: 'scale takes no apply, does not check name and kind of a body, and writes 0 replicas out',
  },
  { in: /^(binding a pod|eviction)$/, at: refusal('POST \\S+/(binding|eviction)'), why: views },
  {
    in: 'subresources that are not there',
    at: refusal('GET \\S+/(log|binding|eviction)'),
    why: 'GET of what can only be created is 404 instead of 405; an empty log is 200 instead of 204',
  },
  {
    in: /^(a body that is not for this address|a collection is deleted by selector)$/,
    at: words,
    why: '405 names the verb; for other versions and kinds: ' + goTypes,
  },
  {
    in: 'what may be changed of a pod',
    at: refusal('PATCH \\S+/pods/p'),
    why: 'tolerations that admission would add again may not be removed, and a node may be set where there is none',
  },
  {
    in: /^(merge patch|JSON patch|strategic merge by keys)$/,
    at: refusal('PATCH \\S+'),
    why: 'a patch that leaves nonsense is 400 where kube-apiserver has 422, or 500 for errors of its own merge',
  },
  {
    in: 'the metadata of custom objects',
    at: refusal('POST \\S+/things'),
    why: 'a custom object without kind is 422 instead of 400; an empty spec is no unknown field',
  },
  {
    in: 'bodies that are none',
    at: refusal('POST \\S+'),
    why: `null is no object: 400 instead of 422; else ${parser}`,
  },
  {
    in: 'a conflict of revisions',
    at: refusal('PUT \\S+'),
    why: 'a revision that is no number is a conflict instead of an error 500',
  },
  {
    in: 'initial events need their companions',
    at: refusal('GET \\S+'),
    why: 'one of two problems is told; a revision that is no number is 400 instead of 500',
  },
  {
    in: 'other objects that are invalid',
    at: refusal('POST \\S+/jobs'),
    why: 'selectors of Jobs that are given without manualSelector are replaced, not refused',
  },
  {
    in: 'Pod Security: baseline',
    at: refusal('POST \\S+'),
    why: 'procMount is judged by the level before its own rules; AppArmor annotations and host processes of Windows are not judged',
  },
  // The same refusal in other words.
  {
    in: /^(Deployments|Services|other objects|pods|definitions) that are (invalid|refused)/,
    at: words,
    why: `${goTypes}, or a second cause of the same mistake is missing`,
  },
  { in: 'Pod Security: restricted', at: words, why: 'an unconfined container is told of twice' },
  { in: /^(applies that are refused|options of deletion that are invalid)$/, at: words, why: parser },
  {
    in: 'unknown fields: warned of, refused, ignored',
    at: words,
    why: 'the message does not repeat the whole object; apply names every unknown field instead of the first',
  },
  {
    in: /^(patches of the wrong type|a form that does not exist is not acceptable)$/,
    at: words,
    why: 'says which types are taken, as servers before 1.36 did',
  },
  { in: 'continue tokens that are none', at: words, why: parser },
  {
    in: 'what a definition does not know is pruned',
    at: words,
    why: 'unknown fields are told in the order of the object',
  },
  {
    in: 'validation by schema',
    at: words,
    why: 'why each branch of oneOf and anyOf failed is not told; a number that is no integer has one cause',
  },
  {
    in: /^(finalizers hold an object|immutable things)$/,
    at: /causes$/,
    why: 'kube-apiserver tells the same cause twice',
  },
  { in: 'field managers', at: words, why: 'does not say at which position the character is' },
]
