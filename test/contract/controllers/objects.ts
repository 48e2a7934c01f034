/** The small objects that the scenarios are about. */
import { doesAnnotation, lingersAnnotation, type Order } from '../hollow/index.ts'
import type { World } from './world.ts'

export interface TemplateOptions {
  image?: string
  /** What its pods do from the start. @default ready */
  does?: Order
  /** Its pods stay when they are deleted, until they are released. */
  lingers?: boolean
  labels?: Record<string, string>
  spec?: object
}

/** Of pods that go on this scenario's nodes. */
export function template(world: World, app: string, options: TemplateOptions = {}): any {
  const { image = 'example.com/app:1', does, lingers, labels, spec } = options
  const annotations = { ...(does && { [doesAnnotation]: does }), ...(lingers && { [lingersAnnotation]: '' }) }
  return {
    metadata: { labels: { app, ...labels }, ...(Object.keys(annotations).length > 0 && { annotations }) },
    spec: { nodeSelector: { scenario: world.ns }, containers: [{ name: 'app', image }], ...spec },
  }
}

export function deployment(world: World, name: string, spec: object = {}, options: TemplateOptions = {}): object {
  const selector = { matchLabels: { app: name } }
  return { metadata: { name }, spec: { selector, template: template(world, name, options), ...spec } }
}

/** The patch that gives a template another image. */
export function image(tag: number | string): object {
  return { spec: { template: { spec: { containers: [{ name: 'app', image: `example.com/app:${tag}` }] } } } }
}

export function statefulSet(world: World, name: string, spec: object = {}, options: TemplateOptions = {}): object {
  const selector = { matchLabels: { app: name } }
  return {
    metadata: { name },
    spec: { serviceName: name, selector, template: template(world, name, options), ...spec },
  }
}

export function daemonSet(world: World, name: string, spec: object = {}, options: TemplateOptions = {}): object {
  const selector = { matchLabels: { app: name } }
  return { metadata: { name }, spec: { selector, template: template(world, name, options), ...spec } }
}

export function job(world: World, name: string, spec: object = {}, options: TemplateOptions = {}): object {
  const { spec: pod, ...more } = options
  const made = template(world, name, { ...more, spec: { restartPolicy: 'Never', ...pod } })
  return { metadata: { name }, spec: { template: made, ...spec } }
}

export function pod(world: World, name: string, options: TemplateOptions = {}): object {
  const { metadata, spec } = template(world, name, options)
  return { metadata: { ...metadata, name }, spec }
}
