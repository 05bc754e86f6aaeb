/** Lines that the runner reads: one a registered test, one an executed one, one a skipped one. */
export const MARK = "\u0001lightv-test ";
