/** The database as a whole: open, migrate, transactions, close. Queries are in the files beside this one, as functions over `Db`. */
import { Kysely } from "kysely";
import { migrate } from "./migrations.ts";
import type { Db, Tables } from "./schema.ts";
import { sqlite } from "./sqlite.ts";

export class Store {
  readonly #kysely: Kysely<Tables>;

  private constructor(kysely: Kysely<Tables>) {
    this.#kysely = kysely;
  }

  /** Throws LV_CONFLICT when another controller has it open, LV_CONFIG when it can't be opened or is of a newer version. */
  static async open(file: string): Promise<Store> {
    const flavour = sqlite(file);
    const kysely = new Kysely<Tables>({ dialect: flavour.dialect });
    try {
      await migrate(kysely, flavour);
    } catch (error) {
      await kysely.destroy();
      throw error;
    }
    return new Store(kysely);
  }

  get db(): Db {
    return this.#kysely;
  }

  /** All of it or nothing; durable when the promise resolves. */
  transaction<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return this.#kysely.transaction().execute(work);
  }

  close(): Promise<void> {
    return this.#kysely.destroy();
  }
}
