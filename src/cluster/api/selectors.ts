import type { KubeObject } from '#kube'
import type { ResourceInfo } from '../machinery/index.ts'
import { labelValue, qualifiedName } from '../machinery/validate/names.ts'
import { badRequest } from './status.ts'

/** True when the object is selected. */
export type Predicate = (object: KubeObject) => boolean

type Labels = Record<string, string>
type Requirement = (labels: Labels) => boolean

const has = (labels: Labels, key: string) => Object.hasOwn(labels, key)

/**
 * Parses a label selector (`a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1`). Throws StatusError 400 with the parser's message of
 * apimachinery's labels package.
 */
export function parseLabelSelector(text: string): (labels: Labels | undefined) => boolean {
  const tokens = text.match(/\s*(?:[(),]|!=|==|=|!|<|>|[^\s(),!=<>]+)\s*/g)?.map((token) => token.trim()) ?? []
  const requirements: Requirement[] = []
  let at = 0
  const fail = (expected: string): never => {
    // Go's parser has no comma where a list of values should begin.
    const comma = expected === "'('" ? '' : ','
    throw badRequest(`unable to parse requirement: found '${tokens[at] ?? ''}'${comma} expected: ${expected}`)
  }
  const named = (key: string) => {
    const [problem] = qualifiedName(key)
    if (problem)
      throw badRequest(`unable to parse requirement: <nil>: Invalid value: ${JSON.stringify(key)}: ${problem}`)
    return key
  }
  const valued = (key: string, values: Iterable<string>) => {
    let index = 0
    for (const value of values) {
      const [problem] = labelValue(value)
      const where = `values[${index++}][${key}]: Invalid value: ${JSON.stringify(value)}`
      if (problem) throw badRequest(`unable to parse requirement: ${where}: ${problem}`)
    }
  }
  // What stands where no requirement can is not called one.
  const misplaced = (expected: string): never => {
    throw badRequest(`found '${tokens[at] ?? ''}', expected: ${expected}`)
  }
  const word = (token: string | undefined) => token !== undefined && !/^([(),]|!=|==|=|!|<|>)$/.test(token)
  while (at < tokens.length) {
    if (tokens[at] === '!') {
      const key = tokens[++at]
      if (!word(key)) fail('identifier')
      at++
      named(key)
      requirements.push((labels) => !has(labels, key))
    } else {
      const key = tokens[at]
      if (!word(key)) misplaced("!, identifier, or 'end of string'")
      named(key)
      at++
      requirements.push(requirement(key))
    }
    if (at < tokens.length) {
      if (tokens[at] !== ',') misplaced("',' or 'end of string'")
      if (++at === tokens.length) misplaced("identifier after ','")
    }
  }
  return (labels) => requirements.every((matches) => matches(labels ?? {}))

  function requirement(key: string): Requirement {
    const operator = tokens[at]
    if (operator === undefined || operator === ',') return (labels) => has(labels, key)
    at++
    switch (operator) {
      case '=':
      case '==':
      case '!=': {
        const value = word(tokens[at]) ? tokens[at++] : ''
        valued(key, [value])
        return operator === '!='
          ? (labels) => !has(labels, key) || labels[key] !== value
          : (labels) => has(labels, key) && labels[key] === value
      }
      case 'in':
      case 'notin': {
        const values = list()
        valued(key, values)
        return operator === 'in'
          ? (labels) => has(labels, key) && values.has(labels[key])
          : (labels) => !has(labels, key) || !values.has(labels[key])
      }
      case '<':
      case '>': {
        const bound = Number(tokens[at])
        if (!/^-?\d+$/.test(tokens[at] ?? '')) {
          throw badRequest(`for 'Gt', 'Lt' operators, the value must be an integer: ${tokens[at] ?? ''}`)
        }
        at++
        return (labels) =>
          has(labels, key) && (operator === '<' ? Number(labels[key]) < bound : Number(labels[key]) > bound)
      }
      default:
        at--
        return fail('in, notin, =, ==, !=, gt, lt')
    }
  }

  function list(): Set<string> {
    const values = new Set<string>()
    if (tokens[at] !== '(') fail("'('")
    at++
    for (;;) {
      if (!word(tokens[at])) {
        // An empty list is one empty value.
        if (tokens[at] !== ')') fail("',', ')' or identifier")
        values.add('')
        break
      }
      values.add(tokens[at++])
      if (tokens[at] === ')') break
      if (tokens[at] !== ',') fail("',' or ')'")
      at++
    }
    at++
    return values
  }
}

/** Fields that can be selected by, beyond metadata.name and metadata.namespace (each kind's GetAttrs in kube-apiserver). */
const selectable: Record<string, readonly string[]> = {
  'core/pods': [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.podIPs',
    'status.nominatedNodeName',
  ],
  'core/nodes': ['spec.unschedulable'],
  'core/events': [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  'events.k8s.io/events': [
    'regarding.kind',
    'regarding.namespace',
    'regarding.name',
    'regarding.uid',
    'regarding.apiVersion',
    'regarding.resourceVersion',
    'regarding.fieldPath',
    'reason',
    'reportingController',
    'type',
  ],
  'core/namespaces': ['status.phase'],
  'core/secrets': ['type'],
  'core/services': ['spec.clusterIP', 'spec.type'],
  'core/replicationcontrollers': ['status.replicas'],
  'apps/replicasets': ['status.replicas'],
  'batch/jobs': ['status.successful'],
  'certificates.k8s.io/certificatesigningrequests': ['spec.signerName'],
  'resource.k8s.io/resourceslices': ['spec.nodeName', 'spec.driver'],
}

/** Fields of the stored form where it has other names. */
const renamed: Record<string, string> = {
  'regarding.': 'involvedObject.',
  reportingController: 'reportingComponent',
}

const booleans = new Set(['spec.unschedulable', 'spec.hostNetwork'])

/** Parses a field selector (`=`, `==`, `!=`, comma). Throws StatusError 400 for a field that this kind cannot be selected by. */
export function parseFieldSelector(info: ResourceInfo, text: string): Predicate {
  const key = `${info.group === '' ? 'core' : info.group}/${info.plural}`
  const known = new Set([
    ...(selectable[key] ?? []),
    ...(info.selectableFields ?? []).map((path) => path.replace(/^\./, '')),
  ])
  const terms: Predicate[] = []
  for (const term of text.split(',')) {
    if (term.trim() === '') continue
    const match = /^\s*([^=!\s]+)\s*(==|=|!=)\s*(.*?)\s*$/.exec(term)
    if (!match) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`)
    const [, field, operator, value] = match
    if (field !== 'metadata.name' && field !== 'metadata.namespace' && !known.has(field)) {
      throw badRequest(`field label not supported: ${field}`)
    }
    const read = reader(field)
    terms.push(operator === '!=' ? (object) => read(object) !== value : (object) => read(object) === value)
  }
  return (object) => terms.every((matches) => matches(object))
}

function reader(field: string): (object: KubeObject) => string {
  if (field === 'status.podIPs') return (object) => object.status?.podIPs?.[0]?.ip ?? ''
  if (field === 'source') return (object) => object.source?.component ?? object.reportingComponent ?? ''
  if (field === 'status.successful') return (object) => String(object.status?.succeeded ?? 0)
  let path = renamed[field] ?? field
  if (path.startsWith('regarding.')) path = renamed['regarding.'] + path.slice('regarding.'.length)
  const parts = path.split('.')
  const empty = booleans.has(field) ? 'false' : ''
  return (object) => {
    let value: any = object
    for (const part of parts) {
      if (typeof value !== 'object' || value === null) return empty
      value = value[part]
    }
    return value === undefined || value === null ? empty : String(value)
  }
}

/** The predicate of a request's labelSelector and fieldSelector (and of a name in its path); undefined = everything. */
export function predicateOf(info: ResourceInfo, query: URLSearchParams, name?: string): Predicate | undefined {
  const labelText = query.get('labelSelector')
  const fieldText = query.get('fieldSelector')
  const parts: Predicate[] = []
  if (labelText) {
    const matches = parseLabelSelector(labelText)
    parts.push((object) => matches(object.metadata.labels))
  }
  if (fieldText) parts.push(parseFieldSelector(info, fieldText))
  if (name !== undefined) parts.push((object) => object.metadata.name === name)
  if (parts.length === 0) return undefined
  return parts.length === 1 ? parts[0] : (object) => parts.every((matches) => matches(object))
}

/** metav1.LabelSelector as a predicate on labels. An empty selector selects everything, none selects nothing. */
export function matchesSelector(selector: any, labels: Labels | undefined): boolean {
  if (!selector) return false
  const own = labels ?? {}
  for (const key in selector.matchLabels ?? {}) if (own[key] !== selector.matchLabels[key]) return false
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const present = has(own, key)
    if (operator === 'In' && !(present && values?.includes(own[key]))) return false
    if (operator === 'NotIn' && present && values?.includes(own[key])) return false
    if (operator === 'Exists' && !present) return false
    if (operator === 'DoesNotExist' && present) return false
  }
  return true
}

/** A LabelSelector (or the plain map of a ReplicationController) as a string, as Scale's status.selector. */
export function selectorString(selector: any): string {
  if (!selector || typeof selector !== 'object') return typeof selector === 'string' ? selector : ''
  const labels = selector.matchLabels ?? (selector.matchExpressions ? {} : selector)
  const parts = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    if (operator === 'Exists') parts.push(key)
    else if (operator === 'DoesNotExist') parts.push(`!${key}`)
    else parts.push(`${key} ${operator === 'In' ? 'in' : 'notin'} (${[...(values ?? [])].sort().join(',')})`)
  }
  return parts.sort().join(',')
}
