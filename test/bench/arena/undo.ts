/** What has to be undone, in reverse order; all of it also when a step fails. */
export class Undo {
  readonly #steps: { what: string; step: () => unknown }[] = [];

  add(what: string, step: () => unknown): void {
    this.#steps.push({ what, step });
  }

  /** Does each step once. Gives what could not be undone. */
  async all(): Promise<string[]> {
    const failures: string[] = [];
    for (let next = this.#steps.pop(); next !== undefined; next = this.#steps.pop()) {
      const { what, step } = next;
      try {
        await step();
      } catch (error) {
        failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return failures;
  }
}
