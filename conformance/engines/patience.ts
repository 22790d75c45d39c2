// Limits on time are for a machine of our days. TSRUN_TEST_PATIENCE says how many times slower this one is: an emulated PC is.

const factor = Number(process.env.TSRUN_TEST_PATIENCE ?? 1);

/** Milliseconds here, for what may take so many on a quick machine. */
export function scaled(milliseconds: number): number {
  return milliseconds * factor;
}
