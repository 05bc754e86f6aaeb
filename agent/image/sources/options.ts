/** What every reader of an input takes. */
export interface SourceOptions {
  readonly signal?: AbortSignal;
  /** Told what is left out. */
  readonly warn: (text: string) => void;
}
