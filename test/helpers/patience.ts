/** How many times as long something may take: a sanitizer makes the addon slow, and scripts/sanitize/sanitize.mjs says so. */
export const patience = Number(process.env.PRUNE_GGUF_TEST_PATIENCE ?? 1);
