export interface Change {
  file: string
  find: string | RegExp
  replace: string
}

/** How the demo tells its story with an app of examples/. */
export interface Sample {
  name: string
  /** Programs that building it takes. */
  needs: string[]
  /** What the first version answers. */
  first: RegExp
  second: Change & { answers: RegExp }
  crash: Change
  /** What the report of the crash has to say. */
  why: RegExp[]
}

const why = [/exit code:?\s+\d+/, /last log lines/, /boot/]

/** In the order of preference. */
export const samples: readonly Sample[] = [
  {
    name: 'elixir-hello',
    needs: ['erl', 'elixir', 'mix'],
    first: /version 1/,
    second: { file: 'lib/hello/web.ex', find: 'version 1', replace: 'version 2', answers: /version 2/ },
    crash: {
      file: 'lib/hello/application.ex',
      find: 'children = [',
      replace: 'raise "refusing to boot"\n    children = [',
    },
    why,
  },
  {
    name: 'node-hello',
    needs: ['node'],
    first: /version 1/,
    second: { file: 'server.js', find: 'version 1', replace: 'version 2', answers: /version 2/ },
    crash: { file: 'server.js', find: /^/, replace: "throw new Error('refusing to boot')\n" },
    why,
  },
]
