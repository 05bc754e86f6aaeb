/**
 * Error codes: stable names that people search for and programs compare. Each has a row in docs/errors.md; a test ties the two.
 * Never rename one; add at the end of its group.
 */
export const CODES = {
  // input
  LV_USAGE: "a flag, argument or request is wrong",
  LV_CONFIG: "a configuration file is wrong",
  LV_NOT_FOUND: "what was named does not exist",
  LV_CONFLICT: "it exists already, or is in use",
  LV_DENIED: "the credentials are missing, wrong or not enough",
  // images
  LV_IMAGE_BROKEN: "an image is truncated, damaged or not a .lv file",
  LV_IMAGE_DIGEST: "an image's content is not what its digest says",
  LV_IMAGE_PLATFORM: "an image is for another architecture",
  LV_DISK_FULL: "there is no room on the disk",
  LV_FETCH: "a download failed",
  // running
  LV_SANDBOX: "the sandbox engine refused or failed",
  LV_COMMAND_NOT_FOUND: "the command does not exist in the image",
  LV_COMMAND_NOT_EXECUTABLE: "the command can't be executed",
  LV_BUDGET: "the device has not what the app asks for",
  LV_TIMEOUT: "it took longer than allowed",
  LV_UPDATE: "a version of the agent was not taken, or was rolled back",
  // messages
  LV_MESSAGE: "a message is broken or unknown",
  LV_EXPIRED: "the command came after its time",
  LV_STALE_REVISION: "a newer desired state is in force",
  LV_UNAVAILABLE: "the other side can't be reached",
  LV_INTERNAL: "a defect in LightV",
} as const;

export type Code = keyof typeof CODES;
