/** The part of a path that leads to a proxy, `…/proxy`; undefined for other paths. What follows is for whoever is behind it. */
export function proxyPath(path: string): string | undefined {
  return /^\/api\/v1\/(?:namespaces\/[^/]+\/(?:pods|services)|nodes)\/[^/]+\/proxy(?=\/|$)/.exec(path)?.[0]
}
