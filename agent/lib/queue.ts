/** A queue with a bound: what doesn't fit is refused to the caller, who must say so. */
export class BoundedQueue<T> {
  private readonly items: T[] = [];
  private readonly bound: number;

  constructor(bound: number) {
    this.bound = bound;
  }

  get size(): number {
    return this.items.length;
  }

  /** False when it is full: the item is not taken. */
  push(item: T): boolean {
    if (this.items.length >= this.bound) return false;
    this.items.push(item);
    return true;
  }

  /** The oldest, or undefined. */
  shift(): T | undefined {
    return this.items.shift();
  }

  clear(): void {
    this.items.length = 0;
  }
}
