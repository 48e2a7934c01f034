/** The domain of the cluster, as everywhere. */
export const clusterDomain = 'cluster.local'

/** Where the cluster's DNS listens. */
export interface Nameserver {
  host: string
  port: number
}

/** What a resolv.conf(5) says. */
export interface ResolvConf {
  nameservers: string[]
  searches: string[]
  options: string[]
}

/** Reads the text of a resolv.conf(5); the last `search` counts, comments and other keywords do not. */
export function parseResolvConf(text: string): ResolvConf {
  const words = (keyword: string) =>
    [...text.matchAll(new RegExp(`^[ \\t]*${keyword}[ \\t]+(.*)$`, 'gm'))].map(([, rest]) => rest.trim().split(/\s+/))
  return {
    nameservers: words('nameserver').flatMap(([address]) => address),
    searches: words('search').at(-1) ?? [],
    options: words('options').flat(),
  }
}
