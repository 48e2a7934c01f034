/**
 * Fields that a JSON text gives twice (`spec.replicas`), which JSON.parse passes over in silence. `value` is what the text
 * parses to; a text as long as the compact form of its value has none, which spares clients that send compact JSON the walk.
 */
export function duplicateFields(bytes: Buffer, value: unknown): string[] {
  if (bytes.length === Buffer.byteLength(JSON.stringify(value))) return []
  return scan(bytes.toString('utf8'))
}

interface Level {
  /** Undefined in lists. */
  keys: Set<string> | undefined
  /** The key or index that is being read. */
  at: string | number
}

/** Walks JSON that is known to be valid. */
function scan(text: string): string[] {
  const found: string[] = []
  const levels: Level[] = []
  let expectKey = false
  for (let index = 0; index < text.length; index++) {
    const level = levels[levels.length - 1]
    switch (text[index]) {
      case '{':
        levels.push({ keys: new Set(), at: '' })
        expectKey = true
        break
      case '[':
        levels.push({ keys: undefined, at: 0 })
        expectKey = false
        break
      case '}':
      case ']':
        levels.pop()
        expectKey = false
        break
      case ',':
        if (level.keys) expectKey = true
        else (level.at as number)++
        break
      case '"': {
        const start = index++
        while (text[index] !== '"') index += text[index] === '\\' ? 2 : 1
        if (!expectKey) break
        expectKey = false
        const key: string = JSON.parse(text.slice(start, index + 1))
        level.at = key
        if (level.keys!.has(key)) found.push(pathOf(levels))
        else level.keys!.add(key)
      }
    }
  }
  return [...new Set(found)]
}

function pathOf(levels: readonly Level[]): string {
  let path = ''
  for (const { keys, at } of levels) path += keys === undefined ? `[${at}]` : path === '' ? at : `.${at}`
  return path
}
