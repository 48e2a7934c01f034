export interface KnownDifference {
  /** Name of the cases, as a whole or a pattern. */
  in: string | RegExp
  /** Pattern of `METHOD path body.field` as a failure prints it. */
  at: RegExp
  why: string
}

/** Where the embedded API knowingly answers otherwise than kube-apiserver. One that no case shows any more is a failure. */
export const differences: readonly KnownDifference[] = []
