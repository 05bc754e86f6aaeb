/** The rounds: boot and look, begin something, cut; sometimes cut the boot itself. Everything drawn comes from the seed. */
import { type Dice, diceOf } from "../power-disk/random.ts";
import type { CutReport } from "../power-disk/store.ts";
import type { Platform } from "../recipe.ts";
import { Activities, type Activity, STAGE_WRITES, STAGES, WINDOW_MS, WRITES } from "./activities.ts";
import { GIVEN_UP } from "./agent-events.ts";
import { checkAgent, checkInside, EventCheck } from "./checks.ts";
import { addCut, type Moment, type RunEntry, record, type Tally } from "./ledger.ts";
import { Life, type Moment as When } from "./life.ts";
import { checkOutcome } from "./outcomes.ts";

export interface RunOptions {
  readonly platform: Platform;
  readonly deb: string;
  readonly cuts: number;
  /** No new round after so long. */
  readonly minutes: number;
  /** So many outcomes of each cut are looked at from outside; the device then lives with another. */
  readonly outcomes: number;
  readonly seed: number;
  /** What is begun, drawn from these; one that is named twice comes twice as often. */
  readonly activities: readonly Activity[];
  /** Counts what the idle device writes, before the first cut: a minute and a half. */
  readonly wear: boolean;
  /** Adds the run to docs/power-cuts.json. */
  readonly record: boolean;
  readonly signal: AbortSignal;
}

/** From power on until every app runs, on a processor of its own. */
const BACK_MS = 90_000;
/** Share of the cuts that come at a write rather than at a time: most, since between writes there is nothing to lose. */
const WRITE_SHARE = 0.9;
/** Up to so many writes are at stake at least when the power goes at one. */
const AT_STAKE = 12;
/** Share of the cuts that come while the device is still booting, or getting back to where it was. */
const BOOT_SHARE = 0.35;
/** Writes to the disk of a boot with its recovery, about. */
const BOOT_WRITES = 600;
/** Between the seeds of one cut's outcomes: far from those of other cuts. */
const OUTCOME_STRIDE = 100_003;
/** So long the idle device's writes are counted: a commit of the file system's journal comes every 5 s. */
const WEAR_MS = 60_000;
/** And so long after its last start: by then the app has proved good, which is the last thing that is noted. */
const SETTLE_MS = 30_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const seconds = (ms: number): string => (ms / 1000).toFixed(1);

export async function runCuts(options: RunOptions): Promise<RunEntry> {
  const life = await Life.begin({ ...options, say: console.log });
  try {
    return await new Rounds(life, options).run();
  } finally {
    await life.close();
  }
}

class Rounds {
  readonly #life: Life;
  readonly #options: RunOptions;
  readonly #dice: Dice;
  readonly #activities: Activities;
  readonly #events = new EventCheck();
  readonly #date = new Date().toISOString().slice(0, 10);
  readonly #tallies: Partial<Record<Moment, Tally>> = {};
  readonly #failures: { cut: number; seed: number; what: string[] }[] = [];
  #cuts = 0;
  /** Of the last boots that were not cut. */
  #bootMs = 10_000;
  #backMs = 20_000;
  #lastMoment: Moment = "boot";
  #outcomes = 0;
  #answered = 0;
  #recoveries = 0;
  #wearPerHour: RunEntry["idleBytesPerHour"];

  constructor(life: Life, options: RunOptions) {
    this.#life = life;
    this.#options = options;
    this.#dice = diceOf(options.seed);
    this.#activities = new Activities(life);
  }

  async run(): Promise<RunEntry> {
    const { cuts, minutes, signal } = this.#options;
    let lost = 0;
    if (!(await this.#back())) throw new Error("the new device does not work, before any cut");
    await this.#activities.first();
    if (this.#options.wear) {
      await this.#life.reach(BACK_MS * this.#life.machine.patience);
      await this.#wear();
    }
    await this.#activities.chatter();
    await this.#life.reach(BACK_MS * this.#life.machine.patience);
    const end = performance.now() + minutes * 60_000;
    while (this.#cuts < cuts && performance.now() < end && !signal.aborted) {
      await this.#round(this.#dice.pick(this.#options.activities));
      while (this.#cuts < cuts && this.#dice.next() < BOOT_SHARE) await this.#cutBoot();
      if (!(await this.#back())) {
        lost++;
        break;
      }
      await this.#note();
    }
    const entry = await this.#note(lost);
    console.log(JSON.stringify(entry, undefined, 1));
    return entry;
  }

  /** What there is to say by now, and in the file when that is wanted. */
  async #note(devicesLost = 0): Promise<RunEntry> {
    const { platform, seed } = this.#options;
    const entry: RunEntry = {
      date: this.#date,
      platform,
      commit: this.#life.agents.commit,
      acceleration: this.#life.machine.acceleration,
      seed,
      cuts: this.#cuts,
      recoveries: this.#recoveries,
      selfUpdates: { begun: this.#life.wantedAgents.length, givenUp: await this.#givenUp() },
      failures: this.#failures,
      devicesLost,
      outcomes: this.#outcomes,
      answered: this.#answered,
      events: this.#events.count,
      ...(this.#wearPerHour === undefined ? {} : { idleBytesPerHour: this.#wearPerHour }),
      moments: this.#tallies,
    };
    if (this.#options.record) await record(entry);
    return entry;
  }

  /** Begins something, and cuts. */
  async #round(activity: Activity): Promise<void> {
    const windowMs = WINDOW_MS[activity] * this.#life.machine.patience;
    await this.#activities.begin(activity, this.#dice);
    if (activity !== "self-update") return this.#cut(activity, this.#draw(WRITES[activity], windowMs));
    const stage = this.#dice.pick(STAGES);
    await this.#activities.untilStage(stage);
    await this.#cut(`self-update: ${stage}`, this.#draw(STAGE_WRITES[stage], windowMs));
  }

  async #givenUp(): Promise<number> {
    const events = await this.#life.events();
    return events.filter(({ type, data }) => type === "agent.rolled-back" && GIVEN_UP.test(String(data.reason))).length;
  }

  /** Power on, and off again before it is where it was. */
  async #cutBoot(): Promise<void> {
    await this.#life.machine.start({ wait: false });
    const begun = performance.now();
    await this.#cut(() => (performance.now() - begun < this.#bootMs ? "boot" : "recovery"), this.#draw(BOOT_WRITES, this.#backMs));
  }

  /** Most cuts come at a write of the device, however quick it is; the others at a time, so that also the pauses are cut. */
  #draw(writes: number, ms: number): When {
    const [byWrites, share] = [this.#dice.next() < WRITE_SHARE, this.#dice.next()];
    const stake = this.#dice.below(Math.min(AT_STAKE, writes));
    return byWrites
      ? { writes: 1 + Math.floor(share * writes), unflushed: 1 + stake, ms }
      : { writes: Number.MAX_SAFE_INTEGER, unflushed: 0, ms: share * ms };
  }

  async #cut(moment: Moment | (() => Moment), when: When): Promise<void> {
    const number = ++this.#cuts;
    const seed = this.#options.seed * 1000 + number;
    const mode = this.#dice.next() < 0.85 ? "random" : this.#dice.pick(["none", "all"] as const);
    await this.#life.freeze(when);
    this.#lastMoment = typeof moment === "function" ? moment() : moment;
    const complaints = await this.#lookAtOutcomes(seed);
    const report = await this.#life.disk.cut(seed, mode);
    addCut(this.#tallies, this.#lastMoment, report);
    console.log(`cut ${number} (seed ${seed}, ${mode}) in ${this.#lastMoment}: ${describe(report)}`);
    this.#complain(complaints);
  }

  async #lookAtOutcomes(seed: number): Promise<string[]> {
    const life = this.#life;
    const promised = await life.promised();
    const complaints: string[] = [];
    for (let n = 1; n <= this.#options.outcomes; n++) {
      const copy = await life.snapshot();
      const { unflushedWrites } = await life.disk.outcome(seed + n * OUTCOME_STRIDE, copy);
      const found = await checkOutcome(copy, promised, life.command);
      complaints.push(...found.complaints.map((what) => `outcome ${n}: ${what}`));
      this.#outcomes++;
      if (found.answered) this.#answered++;
      // Nothing to lose: every outcome is the same.
      if (unflushedWrites === 0) break;
    }
    return complaints;
  }

  /** Boots, and looks whether all is as it must be. False: the device did not come back. */
  async #back(): Promise<boolean> {
    const life = this.#life;
    const begun = performance.now();
    try {
      await life.machine.start();
      this.#bootMs = performance.now() - begun;
      await life.reach(BACK_MS * life.machine.patience);
      this.#backMs = performance.now() - begun;
      await this.#answers();
    } catch (error) {
      this.#complain([`it did not come back: ${String(error).slice(0, 3000)}`, ...(await this.#journal())]);
      return false;
    }
    this.#complain([...(await checkInside(life)), ...(await this.#events.check(life)), ...(await checkAgent(life))]);
    if (this.#cuts > 0) this.#recoveries++;
    const { count } = this.#events;
    console.log(`back: booted in ${seconds(this.#bootMs)} s, all runs after ${seconds(this.#backMs)} s; ${count} events so far`);
    return true;
  }

  /** The app of the desired version, and no other. */
  async #answers(): Promise<void> {
    const wanted = this.#life.apps.find(({ name }) => name === "web")?.env?.VERSION;
    if (wanted === undefined) return;
    let answer: string | undefined;
    const end = performance.now() + 30_000;
    while (answer !== wanted && performance.now() < end) {
      answer = await this.#life.answer();
      if (answer !== wanted) await sleep(200);
    }
    if (answer !== wanted) throw new Error(`the app answers ${answer}, desired is ${wanted}`);
  }

  async #journal(): Promise<string[]> {
    if (!this.#life.machine.running) return ["the virtual device is off"];
    const { stdout } = await this.#life.machine
      .run("journalctl -b --no-pager -n 60 -o cat; lightv ps -a; df /; ls -la /var/lib/lightv /var/lib/lightv/agent")
      .catch((error: unknown) => ({ stdout: String(error) }));
    return [stdout.slice(-6000)];
  }

  #complain(what: readonly string[]): void {
    if (what.length === 0) return;
    const seed = this.#options.seed * 1000 + this.#cuts;
    this.#failures.push({ cut: this.#cuts, seed, what: [...what] });
    const tally = this.#tallies[this.#lastMoment];
    if (tally !== undefined) tally.failures++;
    console.log(`FAILURE after cut ${this.#cuts}:\n  ${what.join("\n  ")}`);
  }

  /** What an idle device writes to its disk, and the agent of that: flash wears out. */
  async #wear(): Promise<void> {
    const life = this.#life;
    const agent = "awk '/^write_bytes/{print $2}' \"/proc/$(systemctl show -P MainPID lightvd)/io\"";
    const written = async (): Promise<{ device: number; agent: number }> => {
      const { stdout } = await life.machine.run(`sync; ${agent}`);
      return { device: (await life.disk.stats()).writtenBytes, agent: Number(stdout) };
    };
    await sleep(SETTLE_MS);
    const [from, before] = [performance.now(), await written()];
    await sleep(WEAR_MS);
    const after = await written();
    const perHour = (bytes: number): number => Math.round((bytes * 3_600_000) / (performance.now() - from));
    this.#wearPerHour = { device: perHour(after.device - before.device), agent: perHour(after.agent - before.agent) };
    const { device, agent: own } = this.#wearPerHour;
    console.log(
      `idle, the device writes ${Math.round(device / 1024)} KiB an hour to its disk, the agent ${Math.round(own / 1024)} KiB of it`,
    );
  }
}

function describe({ unflushedWrites, unflushedBytes, whole, torn, lost }: CutReport): string {
  return `of ${unflushedWrites} unflushed writes (${Math.round(unflushedBytes / 1024)} KiB) ${whole} survived, ${torn} were torn, ${lost} lost`;
}
