import type { Builder, BuilderOptions } from './types.ts'

export type { Delivery } from './deliver.ts'
export type { Builder, BuilderOptions, BuildKind, BuildRequest, BuildResult, BuildSource } from './types.ts'

/** The builder: source to image, with caches per app and, for Elixir, a compiler that stays. Its code is loaded with the first build. */
export function createBuilder(options: BuilderOptions): Builder {
  let builder: Builder | undefined
  let loading: Promise<Builder> | undefined
  const load = () =>
    (loading ??= import('./builder.ts').then(({ createBuilder }) => (builder = createBuilder(options))))
  return {
    build: async (request) => (await load()).build(request),
    forget: async (app) => (await load()).forget(app),
    residents: () => builder?.residents() ?? new Map(),
    close: async () => (await loading)?.close(),
  }
}
