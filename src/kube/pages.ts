import { exchange, type HttpOptions } from './http.ts'
import { type ListHead, parseItems, readListHead } from './items.ts'
import { listQuery, pathOf, query } from './paths.ts'
import { apiVersionOf } from './resources.ts'
import type { KubeList, KubeObject, ListAllOptions, ListMeta, ResourceType } from './types.ts'

const pageSize = 500
/** The beginning of a list is no longer than this, its continue token included. */
const headBytes = 8 * 1024

/** The text of a page and where in it the items begin, or the page itself where its text did not tell. */
type Body<T extends KubeObject> = { text: string; items: number; list?: undefined } | { list: KubeList<T> }

interface Page<T extends KubeObject> {
  /** Known as soon as the page begins to come. */
  metadata: Promise<ListMeta>
  body: Promise<Body<T>>
}

/** All pages of a list: the next is on its way as soon as its token is known, while the last is still coming and being worked on. */
export async function allPages<T extends KubeObject>(
  http: HttpOptions,
  type: ResourceType<T>,
  { map, ...options }: ListAllOptions<T>,
): Promise<KubeList<T>> {
  const path = pathOf(type, options.namespace ? { namespace: options.namespace } : {})
  const ask = (token?: string) => {
    const parameters = listQuery({ limit: pageSize, ...options, ...(token && { continue: token }) })
    return askPage<T>(http, path + query(parameters), options.signal)
  }
  const items: T[] = []
  for (let page = ask(); ; ) {
    const { continue: token, resourceVersion } = await page.metadata
    const next = token ? ask(token) : undefined
    const body = await page.body
    if (map && !body.list) for (const item of parseItems(body.text, body.items)) items.push(map(named(type, item)))
    else {
      const { items: all } = body.list ?? (JSON.parse(body.text) as KubeList<T>)
      for (const item of all) items.push(map ? map(named(type, unmanaged(item))) : named(type, item))
    }
    if (next) page = next
    else {
      const metadata = resourceVersion ? { resourceVersion } : {}
      return { apiVersion: apiVersionOf(type), kind: `${type.kind}List`, metadata, items }
    }
  }
}

function askPage<T extends KubeObject>(http: HttpOptions, path: string, signal: AbortSignal | undefined): Page<T> {
  const metadata = Promise.withResolvers<ListMeta>()
  const body = exchange(http, 'GET', path, { signal }, async ({ body: stream }): Promise<Body<T>> => {
    const chunks: Uint8Array[] = []
    let size = 0
    let head: ListHead | undefined
    for await (const chunk of stream) {
      chunks.push(chunk)
      if (!head && size < headBytes) {
        head = readListHead(Buffer.concat(chunks).toString('latin1', 0, headBytes))
        if (head) metadata.resolve(head.metadata)
      }
      size += chunk.length
    }
    const text = Buffer.concat(chunks).toString('utf8')
    if (head) return { text, items: head.items }
    const list = JSON.parse(text) as KubeList<T>
    metadata.resolve(list.metadata ?? {})
    return { list: { ...list, items: list.items ?? [] } }
  })
  // Whoever waits for one of them fails with it; the other is nobody's then.
  body.catch(metadata.reject)
  metadata.promise.catch(() => {})
  return { metadata: metadata.promise, body }
}

function unmanaged<T extends KubeObject>(item: T): T {
  delete item.metadata.managedFields
  return item
}

/** Items of a typed list come without apiVersion and kind; with them they look as they do everywhere else. */
export function typed<T extends KubeObject>(type: ResourceType<T>, list: KubeList<T>): KubeList<T> {
  list.items ??= []
  for (const item of list.items) named(type, item)
  return list
}

function named<T extends KubeObject>(type: ResourceType<T>, item: T): T {
  item.apiVersion ??= apiVersionOf(type)
  item.kind ??= type.kind
  return item
}
