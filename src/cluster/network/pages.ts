/** As in RFC 9110 §15; written down here because node:http is a lot to load for a few words. */
const reasons: Record<number, string> = {
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
}

const refusals: Record<number, string> = {
  400: 'the request is not valid HTTP/1.1',
  405: 'the router does not take this method',
  408: 'the request did not arrive in time',
  414: 'the address of the request is too long',
  431: 'the head of the request is too large',
  501: 'the request is encoded in a way that the router does not know',
  505: 'the router speaks HTTP/1.0 and HTTP/1.1',
}

/** The answer to a request that could not be read; the connection closes after it. */
export function refusal(status: number): string {
  return renderPage({ status, message: refusals[status] ?? 'the request was refused' }, '', {
    head: false,
    close: true,
  })
}

export interface Page {
  status: number
  /** One line, for people. */
  message: string
  /** What to do next. */
  hints?: readonly string[]
  app?: string
  requestId?: string
}

/** A whole response of the router's own, in the format that the request's Accept field asks for; HTML only for browsers. */
export function renderPage(page: Page, accept: string, options: { head: boolean; close: boolean }): string {
  const title = `${page.status} ${reasons[page.status] ?? 'Error'}`
  const [type, body] = accept.includes('text/html')
    ? ['text/html; charset=utf-8', html(page, title)]
    : /application\/(\w+\+)?json/.test(accept)
      ? ['application/json', json(page)]
      : ['text/plain; charset=utf-8', plain(page, title)]
  const lines = [
    `HTTP/1.1 ${title}`,
    `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
  ]
  if (page.status === 503) lines.push('Retry-After: 1')
  if (page.status === 405) lines.push('Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS')
  if (page.requestId) lines.push(`X-Request-Id: ${page.requestId}`)
  if (options.close) lines.push('Connection: close')
  return `${lines.join('\r\n')}\r\n\r\n${options.head ? '' : body}`
}

function plain({ message, hints = [], requestId }: Page, title: string): string {
  return [title, '', message, ...hints, ...(requestId ? ['', `request ${requestId}`] : []), ''].join('\n')
}

function json({ status, message, hints, app, requestId }: Page): string {
  return `${JSON.stringify({ status, error: message, hints, app, requestId })}\n`
}

function html({ message, hints = [], requestId }: Page, title: string): string {
  const items = hints.map((hint) => `<li>${escapeHtml(hint).replace(/`([^`]+)`/g, '<code>$1</code>')}</li>`).join('')
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color:#223}code{background:#eef;padding:.1em .3em;border-radius:3px}small{color:#778}</style>
<h1>${title}</h1><p>${escapeHtml(message)}</p>${items ? `<ul>${items}</ul>` : ''}${requestId ? `<small>request ${escapeHtml(requestId)}</small>` : ''}</html>
`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
