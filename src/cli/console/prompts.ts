import { stripVTControlCharacters } from 'node:util'

/** The shells' own prompts, `iex(shop@10.0.0.7)3> ` and `(shop@10.0.0.7)3> `; others are questions of what is evaluated. */
const ownPrompt = /^(iex|rem|pry)?(\(.*\))?\d+> ?$/
const leaving = /^\s*(quit|exit)(\(\))?\.?\s*$|^\s*(c:)?q\(\)\.\s*$/

/** The shell asks for a new expression. */
export function isFirstPrompt(prompt: string, continued: boolean): boolean {
  return !continued && ownPrompt.test(stripVTControlCharacters(prompt))
}

/** The shell asks for more of an expression. IEx says so in its prompt; OTP's shell does not. */
export function isContinuation(prompt: string, continued: boolean): boolean {
  return continued || /^\.\.\./.test(stripVTControlCharacters(prompt))
}

/** Words that mean the console, not the node: `q()` of OTP's shell would stop a node that serves people. */
export function isLeaving(line: string): boolean {
  return leaving.test(line)
}

/** What the shells say when they start speaks of keys that do something else here. */
export function withoutGreeting(text: string): string {
  return /^(Interactive Elixir \(.*\) - press|Eshell V[\d.]+)/.test(text) ? '' : text
}
