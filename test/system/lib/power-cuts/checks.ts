/** What must hold after a power cut, beyond that the device is back and runs what it shall. Each gives its complaints; none is what is hoped for. */
import { type EventView, until } from "#test/lib/world.ts";
import { checkAgentEvents, isToldOf } from "./agent-events.ts";
import { DEVICE, type Life } from "./life.ts";
import { checkSlots, type Slots, type TreeHashes } from "./slots.ts";

/** Run in the device: one line for each thing that is wrong. */
const INSIDE = `
cd /var/lib/lightv || exit 1
for image in images/*; do
  [ -e "$image" ] || continue
  case $image in images/sha256-*.lv) ;; *) echo "images/ has $image"; continue;; esac
  lightv verify "$PWD/$image" >/tmp/verify 2>&1 || echo "$image does not verify: $(cat /tmp/verify)"
done
for app in $(lightv ps --format '{{.Names}}'); do
  lightv logs --tail 20 "$app" >/tmp/logs 2>&1 || echo "no logs of $app: $(tail -n 1 /tmp/logs)"
done
# What the keeper has prepared in this boot waits for a request, under a name of its own (docs/hot-start.md, "On disk").
prepared() { grep -qsa "^lightv-prepared $1" /proc/[0-9]*/cmdline; }
leftovers() {
  for left in $(ls -a sandboxes | grep -E '^\\.(new|gone)-'); do
    case $left in .new-*) prepared "\${left#.new-}" && continue;; esac
    echo "sandboxes/ has $left"
  done
  for name in names/*; do
    [ -L "$name" ] || continue
    id=$(readlink "$name")
    [ -e "sandboxes/$id/config.json" ] || prepared "$id" || echo "the name $name leads nowhere"
  done
}
# One that is being prepared or removed is neither yet.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  left=$(leftovers)
  [ -z "$left" ] && break
  sleep 1
done
[ -z "$left" ] || echo "$left"
dmesg | grep -E 'EXT4-fs error|EXT4-fs warning|I/O error|JBD2: .*(error|abort)' | sed 's/^/kernel: /'
mount | grep ' on / ' | grep -q '(rw' || echo "the root file system is not writable"
systemctl --failed --plain --no-legend | sed 's/^/failed unit: /'
exit 0
`;

export async function checkInside(life: Life): Promise<string[]> {
  const { code, stdout, stderr } = await life.machine.run(INSIDE);
  const lines = stdout.split("\n").filter((line) => line !== "");
  return code === 0 ? lines : [...lines, `the check itself ended with ${code}: ${stderr.slice(0, 500)}`];
}

/** Run in the device: names, the record between lines of its own, and the hash of every file of the slots. */
const SLOTS = `
cd /var/lib/lightv/agent/slots 2>/dev/null || exit 0
ls -A; echo --; cat state.json 2>/dev/null; echo --
find a b -type f ! -name node -exec sha256sum {} + 2>/dev/null
for slot in a b; do [ -s $slot/lib/lightv/node ] && echo "something  $slot/lib/lightv/node"; done
exit 0
`;

/** The agent's slots as the device sees them, and that each update was told of once. */
export async function checkAgent(life: Life): Promise<string[]> {
  const wanted = life.wantedAgents.map(({ digest }) => digest);
  const last = wanted.at(-1);
  if (last === undefined) return [];
  const toldOf = async (): Promise<true | undefined> => (isToldOf(await life.events(), last) ? true : undefined);
  await until("the event of the agent's update", toldOf, 30_000 * life.machine.patience).catch(() => undefined);
  const promised = await life.promised();
  const [names = "", record = "", hashes = ""] = (await life.machine.ok(SLOTS)).split(/^--$/m);
  const slots: Slots = {
    names: names.trim().split("\n"),
    record: record.trim() === "" ? undefined : record,
    trees: { a: hashesOf("a", hashes), b: hashesOf("b", hashes) },
  };
  return [...checkSlots(slots, promised.agent), ...checkAgentEvents(promised.events, wanted)];
}

function hashesOf(slot: string, lines: string): TreeHashes {
  const pairs = lines.split("\n").map((line) => line.split(/ +/));
  return new Map(pairs.filter(([, path]) => path?.startsWith(`${slot}/`)).map(([hash = "", path = ""]) => [path.slice(2), hash]));
}

/** Remembers every event that the controller has acknowledged: none may go, change, or come twice; and no number may be missing. */
export class EventCheck {
  readonly #known = new Map<number, string>();

  async check(life: Life): Promise<string[]> {
    const complaints: string[] = [];
    const events = await life.events();
    const seen = new Map<number, string>();
    for (const event of events) {
      if (seen.has(event.seq)) complaints.push(`event ${event.seq} is there twice`);
      seen.set(event.seq, fingerprint(event));
    }
    for (const [seq, print] of this.#known) if (seen.get(seq) !== print) complaints.push(`event ${seq} was ${print}, is ${seen.get(seq)}`);
    for (const [seq, print] of seen) this.#known.set(seq, print);
    const declared = events.filter(({ type }) => type === "events.lost").map(({ data }) => [Number(data.from), Number(data.to)] as const);
    const last = Math.max(0, ...seen.keys());
    for (let seq = 1; seq <= last; seq++)
      if (!seen.has(seq) && !declared.some(([from, to]) => seq >= from && seq <= to)) complaints.push(`event ${seq} of ${last} is missing`);
    const { entries } = await life.fleet.api<{ entries: { action: string; actor: string; detail: string }[] }>(
      "GET",
      "/v1/audit?limit=10000",
    );
    for (const { action, actor, detail } of entries)
      if (actor === `device:${DEVICE}` && action.startsWith("event.")) complaints.push(`${action}: ${detail}`);
    return [...new Set(complaints)];
  }

  get count(): number {
    return this.#known.size;
  }
}

function fingerprint({ seq, type, app, data }: EventView): string {
  return JSON.stringify([seq, type, app, data]);
}
