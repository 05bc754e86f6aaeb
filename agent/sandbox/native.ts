/**
 * The shape of the native addon (native/addon). JSON crosses the border as text, in the shapes of docs/sandbox.md; everything that
 * may block runs off the event loop. A failure rejects with an Error that has `op`, `errno`, `detail` and `hint`.
 */
export interface NativeEngine {
  /** Takes a create request; gives the id. */
  create(requestJson: string): Promise<string>;
  /** Gives `{"pid":n,"warnings":[…]}` once the workload's execve has succeeded. */
  start(id: string): Promise<string>;
  /**
   * create() and start() at once, by a prepared sandbox where there is one that fits (docs/hot-start.md). Takes a create request; gives
   * `{"id","pid","warnings":[…]}`. When the program can't be executed the sandbox is there all the same, as after create().
   */
  run(requestJson: string): Promise<string>;
  find(nameOrId: string): Promise<string>;
  info(id: string): Promise<string>;
  /** A JSON array of sandbox infos. */
  list(): Promise<string>;
  stats(id: string): Promise<string>;
  stop(id: string, signal: number, timeoutMs: number): Promise<void>;
  kill(id: string, signal: number): Promise<void>;
  remove(id: string, force: boolean, volumes: boolean): Promise<void>;
  /** Replaces all limits of a sandbox, in the shape of config.json's `limits`; of a running one at once. */
  update(id: string, limitsJson: string): Promise<void>;
  /** Runs a program inside; gives `{"exitCode":n,"stdout":base64,"stderr":base64,"truncated":bool,"timedOut":bool}`. */
  exec(id: string, execJson: string): Promise<string>;
  /** Calls back once, on the event loop, when the sandbox has ended for good (exit object as JSON). No thread waits. */
  watch(id: string, onEnd: (exitJson: string) => void): NativeWatch;
  sweep(): Promise<number>;
  logPath(id: string): string;
}

export interface NativeWatch {
  close(): void;
}

export interface Native {
  openEngine(options: { root: string; run: string; monitorBinary: string }): NativeEngine;
  /**
   * Checks an image whole; gives `{"digest","name","os","architecture","created","fileSize","erofsSize","chunkCount","manifest":{…}}`.
   * `onProgress` is called at most ten times a second, and once at the end.
   */
  verifyImage(path: string, onProgress?: (done: number, total: number) => void): Promise<string>;
  /** Header and manifest only. */
  readImage(path: string): Promise<string>;
  /** The tree of an image into a directory that is there and empty; all of it is on the disk when it resolves. The image is not verified. */
  unpackImage(path: string, directory: string): Promise<void>;
  /** syncfs(2) of the file system that `path` lies on. */
  syncFileSystem(path: string): Promise<void>;
  /** sd_notify(3): false when NOTIFY_SOCKET is not set, or nobody takes the message. */
  sdNotify(state: string): boolean;
  /** Gives back what malloc has free, and unmaps pages of the program that have served (native/sys/memory.hpp). Takes about a millisecond. */
  releaseMemory(): void;
}
