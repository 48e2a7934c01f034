/** `0,2-4` → {0, 2, 3, 4}: how a Job's status writes completed indexes. Anything out of 0..limit is left out. */
export function parseIndexes(text: string | undefined, limit: number): Set<number> {
  const found = new Set<number>()
  for (const part of (text ?? '').split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim())
    if (!match) continue
    const last = Math.min(Number(match[2] ?? match[1]), limit - 1)
    for (let index = Number(match[1]); index <= last; index++) found.add(index)
  }
  return found
}

export function formatIndexes(indexes: ReadonlySet<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b)
  const parts: string[] = []
  for (let from = 0; from < sorted.length; ) {
    let to = from
    while (sorted[to + 1] === sorted[to] + 1) to++
    const [first, last] = [sorted[from], sorted[to]]
    parts.push(first === last ? `${first}` : last === first + 1 ? `${first},${last}` : `${first}-${last}`)
    from = to + 1
  }
  return parts.join(',')
}
