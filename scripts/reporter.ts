import { isatty } from 'node:tty'

/**
 * The test reporter: failures in full, skips by name and reason, and at the end a plain line `N passed, N failed, N skipped`
 * that scripts can read.
 */
export default async function* reporter(source: AsyncIterable<any>): AsyncGenerator<string> {
  const colour = isatty(1)
    ? (code: number, text: string) => `\x1b[${code}m${text}\x1b[0m`
    : (_: number, text: string) => text
  let passed = 0
  const failed: string[] = []
  const skipped: string[] = []
  for await (const { type, data } of source) {
    if (type === 'test:pass' || type === 'test:fail') {
      if (data.details?.type === 'suite' || (data.nesting === 0 && data.name === data.file)) continue
      const where = data.file ? data.file.replace(`${process.cwd()}/`, '') : ''
      if (data.skip !== undefined) {
        skipped.push(`${where}: ${data.name}: ${data.skip === true ? 'no reason given' : data.skip}`)
      } else if (type === 'test:pass') {
        passed++
      } else if (data.details?.error?.failureType !== 'subtestsFailed') {
        failed.push(`${where}: ${data.name}`)
        const error = data.details.error.cause ?? data.details.error
        yield `${colour(31, '✗')} ${where}: ${data.name}\n${indent(error?.stack ?? String(error))}\n`
        if (error?.expected !== undefined && error?.stack && !error.stack.includes('+ actual')) {
          yield indent(`expected ${JSON.stringify(error.expected)}\nactual   ${JSON.stringify(error.actual)}\n`)
        }
      }
    } else if (type === 'test:stderr' || type === 'test:stdout') {
      yield data.message
    }
  }
  if (skipped.length > 0) yield `\nskipped:\n${skipped.map((line) => `  ${line}\n`).join('')}`
  if (failed.length > 0) yield `\nfailed:\n${failed.map((line) => `  ${line}\n`).join('')}`
  yield `\n${passed} passed, ${failed.length} failed, ${skipped.length} skipped\n`
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ')
}
