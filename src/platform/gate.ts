import { KeyedMutex } from '#lib'

/** Deploys of one app one after the other, those of different apps at once; and whether any is under way. */
export class DeployGate {
  readonly #mutex = new KeyedMutex()
  #active = 0

  get busy(): boolean {
    return this.#active > 0
  }

  /** True when a deploy of this app would have to wait. */
  taken(app: string): boolean {
    return this.#mutex.busy(app)
  }

  async run<T>(app: string, deploy: () => Promise<T>): Promise<T> {
    this.#active++
    try {
      return await this.#mutex.run(app, deploy)
    } finally {
      this.#active--
    }
  }
}
