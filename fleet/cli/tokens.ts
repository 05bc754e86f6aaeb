/** `lightv fleet token create|ls|rm`: what devices enrol with. */
import type { Command } from "commander";
import { ago, printRows } from "./output.ts";
import { openSession } from "./session.ts";
import { parseDuration, parseInteger } from "./values.ts";
import type { TokenView } from "./views.ts";

export function tokenVerbs(fleet: Command): void {
  const token = fleet.command("token").description("Enrolment tokens");
  token
    .command("create")
    .description("Make a token; it is shown this once")
    .option("--uses <n>", "devices that it may enrol", "1")
    .option("--expires <time>", "how long it is good for", "24h")
    .option("--note <text>", "what it is for", "")
    .action(async (options: { uses: string; expires: string; note: string }, command: Command) => {
      const { client, format } = await openSession(command);
      const body = {
        uses: parseInteger("--uses", options.uses, 1),
        expiresInMs: parseDuration("--expires", options.expires),
        note: options.note,
      };
      const made = await client.call<TokenView & { token: string }>("POST", "/v1/tokens", body);
      console.log(format === "json" ? JSON.stringify(made) : made.token);
    });

  token
    .command("ls")
    .description("List tokens")
    .action(async (_options: object, command: Command) => {
      const { client, format } = await openSession(command);
      const { tokens } = await client.call<{ tokens: TokenView[] }>("GET", "/v1/tokens");
      printRows(format, tokens, {
        TOKEN: ({ id }) => id,
        STATUS: (row) => statusOf(row, Date.now()),
        "USES LEFT": ({ usesLeft }) => String(usesLeft),
        CREATED: ({ createdAt }) => ago(createdAt, Date.now()),
        EXPIRES: ({ expiresAt }) => expiresAt,
        NOTE: ({ note }) => note,
      });
    });

  token
    .command("rm <token>")
    .description("Revoke a token, by its id; devices that it enrolled stay")
    .action(async (id: string, _options: object, command: Command) => {
      const { client } = await openSession(command);
      await client.call("DELETE", `/v1/tokens/${encodeURIComponent(id)}`);
      console.log(id);
    });
}

function statusOf({ revokedAt, expiresAt, usesLeft }: TokenView, now: number): string {
  if (revokedAt !== null) return "revoked";
  if (Date.parse(expiresAt) <= now) return "expired";
  return usesLeft > 0 ? "valid" : "used up";
}
