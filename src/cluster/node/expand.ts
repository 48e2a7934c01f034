/**
 * Expands `$(VAR)` as Kubernetes does (third_party/forked/golang/expansion): `$$` is a dollar, an unknown name stays as
 * it is written.
 */
export function expand(text: string, values: Readonly<Record<string, string>>): string {
  if (!text.includes('$')) return text
  let out = ''
  for (let at = 0; at < text.length; at++) {
    const dollar = text.indexOf('$', at)
    if (dollar < 0 || dollar === text.length - 1) return out + text.slice(at)
    out += text.slice(at, dollar)
    const next = text[dollar + 1]
    if (next === '$') {
      out += '$'
      at = dollar + 1
      continue
    }
    const close = next === '(' ? text.indexOf(')', dollar + 2) : -1
    if (close < 0) {
      out += `$${next}`
      at = dollar + 1
      continue
    }
    const name = text.slice(dollar + 2, close)
    out += Object.hasOwn(values, name) ? values[name] : text.slice(dollar, close + 1)
    at = close
  }
  return out
}
