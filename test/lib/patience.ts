/** How much longer than on this machine things may take: on an emulated device the runner says so (LIGHTV_TEST_PATIENCE). */
export const PATIENCE = Number(process.env.LIGHTV_TEST_PATIENCE ?? 1);
