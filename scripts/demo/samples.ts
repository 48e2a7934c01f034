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
    first: /Hello from v1/,
    second: { file: 'lib/hello.ex', find: '@version "v1"', replace: '@version "v2"', answers: /Hello from v2/ },
    crash: {
      file: 'lib/hello/application.ex',
      find: 'Supervisor.start_link(children',
      replace: 'raise "refusing to boot"\n    Supervisor.start_link(children',
    },
    why,
  },
  {
    name: 'node-hello',
    needs: ['node'],
    first: /Hello from v1/,
    second: { file: 'server.js', find: "version = 'v1'", replace: "version = 'v2'", answers: /Hello from v2/ },
    crash: {
      file: 'server.js',
      find: 'server.listen(',
      replace: "throw new Error('refusing to boot')\nserver.listen(",
    },
    why,
  },
]
