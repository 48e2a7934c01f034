import { type Size, sizes } from './fields.ts'
import { type Reading, readBytes, readCpu } from './values.ts'

const example = `write cpu=500m, memory=512Mi or both, or one of ${Object.keys(sizes).join(', ')}`

/**
 * A size as it is typed: `large`, or `cpu=500m` and `memory=512Mi` in any order, where what is left out stays as it was.
 * @param words at least one
 */
export function readSize(words: readonly string[], before: Size): Reading<Size> {
  const [name] = words
  if (words.length === 1 && Object.hasOwn(sizes, name)) return { value: sizes[name as keyof typeof sizes] }
  const size = { ...before }
  const seen = new Set<string>()
  for (const word of words) {
    const [, key, text] = /^(cpu|memory)=(.*)$/s.exec(word) ?? []
    if (key === undefined) return { message: `${JSON.stringify(word)} is no size`, hint: example }
    if (seen.has(key)) return { message: `${key} is given twice`, hint: example }
    seen.add(key)
    const read = key === 'cpu' ? readCpu(text) : readBytes(text, 2 ** 23, '256Mi')
    if (!('value' in read)) return { ...read, message: `${key}: ${read.message}` }
    size[key as keyof Size] = read.value
  }
  return { value: size }
}
