/** What goes on, for whoever waits: one line that changes on a terminal, a line each time elsewhere. */
export class Progress {
  readonly #terminal: boolean;
  readonly #write: (text: string) => void;
  #text = "";
  #began = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(terminal: boolean, write: (text: string) => void) {
    this.#terminal = terminal;
    this.#write = write;
  }

  /** Shows a line until the next one. */
  say(text: string): void {
    this.#text = text;
    if (!this.#terminal) {
      this.#write(`    ${text}\n`);
      return;
    }
    this.#began = performance.now();
    this.#timer ??= setInterval(() => this.#draw(), 1000).unref();
    this.#draw();
  }

  /** Takes the changing line away. */
  clear(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#terminal && this.#text !== "") this.#write("\r\u001b[K");
    this.#text = "";
  }

  #draw(): void {
    const seconds = Math.round((performance.now() - this.#began) / 1000);
    this.#write(`\r\u001b[K    ${this.#text}${seconds > 0 ? ` (${seconds} s)` : ""}`);
  }
}
