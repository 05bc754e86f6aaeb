/** One line a record. Under systemd the priority goes first as sd-daemon(3) wants it, elsewhere time and level. */

export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Logger {
  error(text: string, fields?: LogFields): void;
  warn(text: string, fields?: LogFields): void;
  info(text: string, fields?: LogFields): void;
  debug(text: string, fields?: LogFields): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Whether stderr goes to journald (JOURNAL_STREAM is set): priorities instead of time and level. */
  readonly journald: boolean;
  readonly write: (line: string) => void;
  readonly wall: () => string;
}

const PRIORITY: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

export function createLogger(options: LogOptions): Logger {
  const record =
    (level: LogLevel) =>
    (text: string, fields: LogFields = {}): void => {
      if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(options.level)) return;
      const head = options.journald ? `<${PRIORITY[level]}>` : `${options.wall()} ${level.padEnd(5)} `;
      options.write(`${head}${oneLine(text)}${formatFields(fields)}\n`);
    };
  return { error: record("error"), warn: record("warn"), info: record("info"), debug: record("debug") };
}

function formatFields(fields: LogFields): string {
  let text = "";
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const plain = String(value);
    text += ` ${key}=${/^[\w.:/@+-]+$/.test(plain) ? plain : JSON.stringify(plain)}`;
  }
  return text;
}

/** A message from elsewhere must not forge records of ours. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  return text.replace(/[\u0000-\u001f\u007f]+/g, " ");
}
