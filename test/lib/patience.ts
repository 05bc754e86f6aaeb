/** How much longer than on this machine things may take: on an emulated device test/system/carried.test.ts says so. */
export const PATIENCE = Number(process.env.LIGHTV_TEST_PATIENCE || 1);
