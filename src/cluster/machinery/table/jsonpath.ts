import { isObject } from '#lib'

const step =
  /\.((?:[\w-]|\\.)+)|\.?\['((?:[^'\\]|\\.)+)'\]|\.?\["((?:[^"\\]|\\.)+)"\]|\[(-?\d+)\]|\[\*\]|\[\?\(@\.([\w.-]+)\s*(==|!=)\s*(?:"([^"]*)"|'([^']*)'|(-?\d+|true|false))\)\]/y

type Step = (values: unknown[]) => unknown[]
const parsed = new Map<string, Step[] | undefined>()

/**
 * The values that a simple JSONPath (printer columns, selectable fields, scale paths: `.spec.a`, `['b']`, `[0]`, `[*]`,
 * `[?(@.type=="Ready")]`) finds; empty when nothing is there or the path is none.
 */
export function jsonPath(path: string, root: unknown): unknown[] {
  let steps = parsed.get(path)
  if (!steps && !parsed.has(path)) {
    steps = parse(path)
    if (parsed.size > 5000) parsed.clear()
    parsed.set(path, steps)
  }
  if (!steps) return []
  return steps.reduce<unknown[]>((values, next) => next(values), [root])
}

function field(name: string): Step {
  return (values) => values.flatMap((value) => (isObject(value) && Object.hasOwn(value, name) ? [value[name]] : []))
}

function parse(path: string): Step[] | undefined {
  const text = path.replace(/^\{(.*)\}$/, '$1')
  const steps: Step[] = []
  step.lastIndex = 0
  while (step.lastIndex < text.length) {
    const match = step.exec(text)
    if (!match) return undefined
    const [all, name, single, double, position, filter, operator, a, b, c] = match
    const key = name ?? single ?? double
    if (key !== undefined) steps.push(field(key.replace(/\\(.)/g, '$1')))
    else if (position !== undefined)
      steps.push((values) =>
        values.flatMap((value) => (Array.isArray(value) ? value.slice(Number(position)).slice(0, 1) : [])),
      )
    else if (all === '[*]')
      steps.push((values) =>
        values.flatMap((value) => (Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [])),
      )
    else {
      const inner = filter.split('.').map(field)
      const wanted = a ?? b ?? c
      const keeps = (item: unknown) =>
        inner.reduce<unknown[]>((found, next) => next(found), [item]).some((value) => String(value) === wanted) ===
        (operator === '==')
      steps.push((values) => values.flatMap((value) => (Array.isArray(value) ? value.filter(keeps) : [])))
    }
  }
  return steps
}
